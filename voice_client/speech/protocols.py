"""What every speech engine gives: words from audio, audio from words, and who is speaking now.

Audio is always PCM16 little-endian mono. Towards the platform it has 16 kHz; a voice states its own rate.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

INPUT_SAMPLE_RATE = 16_000
FRAME_SAMPLES = 512
FRAME_BYTES = FRAME_SAMPLES * 2


class SpeechFailed(Exception):
    """Speech could not be heard or spoken; the message may be shown and spoken, and the session goes on."""


@dataclass(frozen=True)
class Transcript:
    """Words heard so far; `is_final` closes the utterance, and empty text there means that nobody spoke."""

    text: str
    is_final: bool
    audio_seconds: float


@dataclass(frozen=True)
class Spoken:
    """One piece of speech: PCM16 mono at the voice's `sample_rate`, and the words that it says."""

    text: str
    audio: bytes


class SpeechToText(Protocol):
    def transcribe(
        self, audio: AsyncIterator[bytes], *, language: str = "en", vocabulary: Sequence[str] = ()
    ) -> AsyncIterator[Transcript]:
        """Partial transcripts, then one final, of one utterance of PCM16 mono at 16 kHz in chunks of any size.

        `vocabulary` holds words that this caller is likely to say, the most telling first; an engine uses what it can.
        Raises `SpeechFailed`.
        """
        ...


class TextToSpeech(Protocol):
    @property
    def sample_rate(self) -> int:
        """Samples a second of all audio that `speak` gives."""
        ...

    def speak(self, sentences: AsyncIterator[str]) -> AsyncIterator[Spoken]:
        """Audio of each sentence as soon as it is made; one sentence may come in several pieces, in order.

        Closing the iterator stops the work. Raises `SpeechFailed`.
        """
        ...


class VoiceActivity(Protocol):
    """Hears one stream, frame by frame; each session has its own."""

    def probability(self, frame: bytes) -> float:
        """How likely it is, 0 to 1, that this frame of 512 samples (1024 bytes, 32 ms, 16 kHz) holds speech."""
        ...

    def reset(self) -> None:
        """Forget the stream so far."""
        ...


class EndOfTurn(Protocol):
    async def probability(self, audio: bytes) -> float:
        """How likely it is, 0 to 1, that whoever spoke in this PCM16 mono 16 kHz audio has finished the turn."""
        ...
