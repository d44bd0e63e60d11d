"""Decides, hands free, when a caller begins and stops speaking; time is counted in audio, never on the wall.

Voice activity with hysteresis finds speech. After a short silence a judge is asked whether the turn sounds finished: if
so the turn ends soon, if not the caller gets a longer silence to go on.
"""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

from voice_client.speech.protocols import (
    FRAME_BYTES,
    FRAME_SAMPLES,
    INPUT_SAMPLE_RATE,
    EndOfTurn,
    VoiceActivity,
)

FRAME_SECONDS = FRAME_SAMPLES / INPUT_SAMPLE_RATE
RESUME_FRAMES = 2

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
        self._frames_heard = 0
        self._forget()

    def feed(self, audio: bytes) -> list[SpeechEvent]:
        """What this piece of audio brought about, in order."""
        self._unframed += audio
        events: list[SpeechEvent] = []
        while len(self._unframed) >= FRAME_BYTES:
            frame = bytes(self._unframed[:FRAME_BYTES])
            del self._unframed[:FRAME_BYTES]
            self._frames_heard += 1
            chance = self._activity.probability(frame)
            events += self._go_on(frame, chance) if self._speaking else self._wait(frame, chance)
        return events

    def judge(self, probability: float) -> list[SpeechEvent]:
        """Take the answer to the last pause: how likely it is that the turn is finished."""
        if not self._paused:
            return []
        self._finished = probability >= self._timing.finished_probability
        return self._end_if_due()

    def stop(self) -> list[SpeechEvent]:
        """End now, as a button does: the utterance so far, if there was speech."""
        return self._end("stopped") if self._speaking else []

    def reset(self) -> None:
        """Forget the stream so far."""
        self._activity.reset()
        self._frames_heard = 0
        self._forget()

    @property
    def _now(self) -> float:
        return self._frames_heard * FRAME_SECONDS

    def _forget(self) -> None:
        self._unframed = bytearray()
        self._await_speech()

    def _await_speech(self) -> None:
        timing = self._timing
        # The pre-roll is counted from the first frame of speech, so room is needed for the frames that prove it.
        longest_proof = max(timing.start_seconds, timing.barge_in_seconds)
        self._before: deque[bytes] = deque(maxlen=_frames(timing.pre_roll_seconds + longest_proof))
        self._speaking = False
        self._audio = bytearray()
        self._speech_frames = 0
        self._silent_frames = 0
        self._resuming_frames = 0
        self._paused = False
        self._finished = False

    def _wait(self, frame: bytes, chance: float) -> list[SpeechEvent]:
        timing = self._timing
        self._before.append(frame)
        needed = timing.barge_in_probability if self.assistant_speaks else timing.start_probability
        if chance >= needed:
            self._speech_frames += 1
        elif chance < timing.stop_probability:
            self._speech_frames = 0
        if self._speech_frames < _frames(timing.barge_in_seconds if self.assistant_speaks else timing.start_seconds):
            return []
        self._speaking = True
        self._audio += b"".join(self._before)
        self._before.clear()
        return [SpeechStarted(self._now - self._speech_frames * FRAME_SECONDS, bytes(self._audio))]

    def _go_on(self, frame: bytes, chance: float) -> list[SpeechEvent]:
        self._audio += frame
        events = self._count(chance)
        if len(self._audio) >= _frames(self._timing.max_utterance_seconds) * FRAME_BYTES:
            return events + self._end("too_long")
        if not self._paused and self._silent_frames >= _frames(self._timing.pause_seconds):
            self._paused = True
            events.append(SpeechPaused(self._now, bytes(self._audio)))
        return events + self._end_if_due()

    def _count(self, chance: float) -> list[SpeechEvent]:
        timing = self._timing
        if chance >= timing.start_probability:
            self._speech_frames += 1
            self._resuming_frames += 1
        elif chance < timing.stop_probability:
            self._resuming_frames = 0
        # In a pause one frame of noise is not speech again; before it, speech that fades has not stopped.
        goes_on = self._resuming_frames >= RESUME_FRAMES if self._paused else chance >= timing.stop_probability
        if not goes_on:
            self._silent_frames += 1
            return []
        was_paused, self._paused, self._finished = self._paused, False, False
        self._silent_frames = 0
        return [SpeechResumed(self._now)] if was_paused else []

    def _end_if_due(self) -> list[SpeechEvent]:
        timing = self._timing
        if self._paused and self._finished and self._silent_frames >= _frames(timing.finished_seconds):
            return self._end("finished")
        if self._paused and self._silent_frames >= _frames(timing.unfinished_seconds):
            return self._end("silence")
        return []

    def _end(self, reason: EndReason) -> list[SpeechEvent]:
        speech_seconds = self._speech_frames * FRAME_SECONDS
        silence_ms = round(self._silent_frames * FRAME_SECONDS * 1000)
        ended = SpeechEnded(self._now, bytes(self._audio), speech_seconds, silence_ms, reason)
        long_enough = self._speech_frames >= _frames(self._timing.min_speech_seconds)
        self._await_speech()
        return [ended if long_enough else SpeechDropped(self._now)]


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


def _frames(seconds: float) -> int:
    return round(seconds / FRAME_SECONDS)
