"""Audio between formats: PCM16 and float, one rate and another, files, a browser's WebM, and how loud it is."""

from pathlib import Path

from voice_client.speech.protocols import INPUT_SAMPLE_RATE


def read_speech(path: Path, sample_rate: int = INPUT_SAMPLE_RATE) -> bytes:
    """PCM16 mono of any audio file that libsndfile or FFmpeg reads; raises `SpeechFailed`."""
    raise NotImplementedError


def write_wav(path: Path, pcm: bytes, sample_rate: int) -> None:
    """Write PCM16 mono as a WAV file."""
    raise NotImplementedError


def wav_bytes(pcm: bytes, sample_rate: int) -> bytes:
    """PCM16 mono as the bytes of a WAV file."""
    raise NotImplementedError


def decode(container: bytes, sample_rate: int = INPUT_SAMPLE_RATE) -> bytes:
    """PCM16 mono of encoded audio (WebM/Opus slices joined, Ogg, WAV, ...), as much as can be decoded.

    Raises `SpeechFailed` when nothing can.
    """
    raise NotImplementedError


class Resampler:
    """Streaming change of sample rate for PCM16 mono."""

    def __init__(self, source_rate: int, target_rate: int) -> None:
        raise NotImplementedError

    def feed(self, pcm: bytes, *, last: bool = False) -> bytes:
        """Resampled audio so far; `last` flushes what the filter holds."""
        raise NotImplementedError


def level_dbfs(pcm: bytes) -> float:
    """Root mean square of PCM16 mono in dBFS, -100.0 for digital silence."""
    raise NotImplementedError
