"""The sound of one utterance as it grows: where speech is in it, and where it may be cut."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voice_client.speech.protocols import FRAME_BYTES, FRAME_SAMPLES, INPUT_SAMPLE_RATE, VoiceActivity

SPEECH_PROBABILITY = 0.4
FEWEST_SPEECH_FRAMES = 2
MARGIN_FRAMES = 9

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Span:
    """Frames from `start` up to `end` that hold speech, with a margin of silence on both sides."""

    start: int
    end: int

    @property
    def seconds(self) -> float:
        return (self.end - self.start) * FRAME_SAMPLES / INPUT_SAMPLE_RATE


class Utterance:
    """PCM16 mono at 16 kHz, heard frame by frame with a voice activity of its own."""

    def __init__(self, activity: VoiceActivity) -> None:
        self._activity = activity
        self._audio = bytearray()
        self._speech: list[float] = []

    @property
    def seconds(self) -> float:
        """How much audio there is, speech or not."""
        return len(self._audio) / 2 / INPUT_SAMPLE_RATE

    def extend(self, audio: bytes) -> None:
        """Hear more; an odd byte at the end waits for its other half."""
        self._audio += audio
        while (len(self._speech) + 1) * FRAME_BYTES <= len(self._audio):
            at = len(self._speech) * FRAME_BYTES
            self._speech.append(self._activity.probability(bytes(self._audio[at : at + FRAME_BYTES])))

    def speech(self, start: int = 0) -> Span | None:
        """Where speech is from frame `start` on, or nothing when nobody speaks there."""
        spoken = [frame for frame, chance in enumerate(self._speech) if frame >= start and chance >= SPEECH_PROBABILITY]
        if len(spoken) < FEWEST_SPEECH_FRAMES:
            return None
        return Span(max(start, spoken[0] - MARGIN_FRAMES), min(len(self._speech), spoken[-1] + 1 + MARGIN_FRAMES))

    def quietest(self, start: int, end: int) -> int:
        """The frame in the middle of the quietest quarter second between two frames: the place to cut."""
        chances = np.asarray(self._speech[start:end])
        width = min(8, len(chances))
        smoothed = np.convolve(chances, np.ones(width) / width, mode="same")
        return start + int(smoothed.argmin())

    def samples(self, start: int, end: int) -> Samples:
        """The frames' samples as float32 between -1 and 1."""
        pcm = np.frombuffer(bytes(self._audio[start * FRAME_BYTES : end * FRAME_BYTES]), "<i2")
        return pcm.astype(np.float32) / 32768.0
