"""Decides, hands free, when a caller begins and stops speaking; time is counted in audio, never on the wall.

Voice activity with hysteresis finds speech. After a short silence a judge is asked whether the turn sounds finished: if
so the turn ends soon, if not the caller gets a longer silence to go on.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from voice_client.speech.protocols import FRAME_BYTES, INPUT_SAMPLE_RATE, EndOfTurn, VoiceActivity

EndReason = Literal["finished", "silence", "too_long", "stopped"]


@dataclass(frozen=True)
class SpeechStarted:
    """Somebody speaks: `audio` begins before the first sound, so that what follows it completes the utterance."""

    at_seconds: float
    audio: bytes


@dataclass(frozen=True)
class SpeechPaused:
    """A short silence: the turn may be over. `audio` is the utterance so far, worth transcribing ahead of time."""

    at_seconds: float
    audio: bytes


@dataclass(frozen=True)
class SpeechResumed:
    """The caller went on after a pause: anything begun for the pause is void."""

    at_seconds: float


@dataclass(frozen=True)
class SpeechEnded:
    """The turn is over; `audio` is the whole utterance. After a pause its words are those of the pause's audio."""

    at_seconds: float
    audio: bytes
    speech_seconds: float
    silence_ms: int
    reason: EndReason


@dataclass(frozen=True)
class SpeechDropped:
    """What started was too short to be speech: a click, a cough."""

    at_seconds: float


SpeechEvent = SpeechStarted | SpeechPaused | SpeechResumed | SpeechEnded | SpeechDropped


@dataclass(frozen=True)
class Endpointing:
    """When speech starts and ends, in seconds of audio; the defaults are measured (bench/endpointing)."""

    start_probability: float = 0.5
    stop_probability: float = 0.35
    start_seconds: float = 0.064
    barge_in_probability: float = 0.6
    barge_in_seconds: float = 0.096
    pre_roll_seconds: float = 0.4
    min_speech_seconds: float = 0.13
    pause_seconds: float = 0.2
    finished_seconds: float = 0.35
    unfinished_seconds: float = 1.4
    finished_probability: float = 0.5
    max_utterance_seconds: float = 60.0


class Endpointer:
    """A pure state machine over one stream of PCM16 mono 16 kHz.

    `feed` takes audio in pieces of any size; after a `SpeechPaused`, tell it the judge's answer with `judge`. While
    `assistant_speaks`, speech must be surer and a little longer before it counts (barge-in).
    """

    def __init__(self, activity: VoiceActivity, timing: Endpointing | None = None) -> None:
        self.assistant_speaks = False
        self._activity = activity
        self._timing = timing or Endpointing()

    def feed(self, audio: bytes) -> list[SpeechEvent]:
        """What this piece of audio brought about, in order."""
        raise NotImplementedError

    def judge(self, probability: float) -> list[SpeechEvent]:
        """Take the answer to the last pause: how likely it is that the turn is finished."""
        raise NotImplementedError

    def stop(self) -> list[SpeechEvent]:
        """End now, as a button does: the utterance so far, if there was speech."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget the stream so far."""
        raise NotImplementedError


async def listen(
    audio: AsyncIterator[bytes], endpointer: Endpointer, end_of_turn: EndOfTurn
) -> AsyncIterator[SpeechEvent]:
    """Speech events of a live stream, the judge asked at each pause; when the stream ends, so does the utterance."""
    async for piece in audio:
        for event in endpointer.feed(piece):
            yield event
            if isinstance(event, SpeechPaused):
                for decided in endpointer.judge(await end_of_turn.probability(event.audio)):
                    yield decided
    for event in endpointer.stop():
        yield event
