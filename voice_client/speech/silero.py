"""Voice activity by Silero VAD v6 (MIT) on onnxruntime: 0.1 ms a frame.

The network takes 512 new samples behind the last 64 of the frame before, and carries a (2, 1, 128) state
(snakers4/silero-vad, `utils_vad.py`).
"""

from pathlib import Path

import numpy as np
import onnxruntime

from voice_client.speech.model_files import session_options, the_file
from voice_client.speech.protocols import FRAME_BYTES, FRAME_SAMPLES, INPUT_SAMPLE_RATE, SpeechFailed

CONTEXT_SAMPLES = 64
STATE_SHAPE = (2, 1, 128)
CLEAR_SILENCE = 0.1
RESET_AFTER_FRAMES = 150


def open_silero(models: Path) -> onnxruntime.InferenceSession:
    """The network, for any number of `SileroActivity` streams; raises `SpeechFailed` when the file is missing."""
    return onnxruntime.InferenceSession(
        the_file(models / "silero_vad.onnx"), session_options(threads=1), providers=["CPUExecutionProvider"]
    )


class SileroActivity:
    """Speech probability of one stream's frames."""

    def __init__(self, network: onnxruntime.InferenceSession) -> None:
        self._network = network
        self._rate = np.array(INPUT_SAMPLE_RATE, np.int64)
        self._state = np.zeros(STATE_SHAPE, np.float32)
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._quiet_frames = 0

    def probability(self, frame: bytes) -> float:
        """How likely it is, 0 to 1, that this frame of 1024 bytes holds speech."""
        if len(frame) != FRAME_BYTES:
            raise SpeechFailed(f"Voice activity takes frames of {FRAME_BYTES} bytes, not {len(frame)}.")
        samples = np.frombuffer(frame, "<i2").astype(np.float32) / 32768.0
        window = np.concatenate([self._context, samples])[None]
        output, self._state = self._network.run(None, {"input": window, "state": self._state, "sr": self._rate})
        self._context = samples[FRAME_SAMPLES - CONTEXT_SAMPLES :]
        speech = float(output[0, 0])
        self._forget_when_quiet(speech)
        return speech

    def reset(self) -> None:
        """Forget the stream so far."""
        self._state = np.zeros(STATE_SHAPE, np.float32)
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self._quiet_frames = 0

    def _forget_when_quiet(self, speech: float) -> None:
        # The recurrent state drifts over minutes of stream; clear silence is where a fresh one costs nothing.
        self._quiet_frames = self._quiet_frames + 1 if speech < CLEAR_SILENCE else 0
        if self._quiet_frames >= RESET_AFTER_FRAMES:
            self.reset()
