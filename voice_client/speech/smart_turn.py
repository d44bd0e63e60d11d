"""Judges by the sound of the last 8 seconds whether a turn is finished: smart-turn v3.2 (BSD-2) on onnxruntime, 30 ms.

The network takes the log-mel spectrum (80 x 800) of 8 seconds at 16 kHz, scaled to zero mean and unit variance, with
shorter audio padded in front (pipecat-ai/smart-turn, `inference.py`).
"""

from pathlib import Path

import numpy as np
import onnxruntime
from faster_whisper.feature_extractor import FeatureExtractor

from voice_client.speech.model_files import session_options, the_file
from voice_client.speech.protocols import INPUT_SAMPLE_RATE
from voice_client.speech.worker import Worker

WINDOW_SECONDS = 8
WINDOW_SAMPLES = WINDOW_SECONDS * INPUT_SAMPLE_RATE
SMALLEST_VARIANCE = 1e-7


class SmartTurn:
    """The judge, shared by all sessions and run on a thread of its own."""

    def __init__(self, network: onnxruntime.InferenceSession) -> None:
        self._network = network
        self._spectrum = FeatureExtractor(feature_size=80, chunk_length=WINDOW_SECONDS)
        self._worker = Worker("smart-turn")

    async def probability(self, audio: bytes) -> float:
        """How likely it is, 0 to 1, that whoever spoke in this PCM16 mono 16 kHz audio has finished the turn."""
        return await self._worker.run(self._judge, audio)

    def warm(self) -> None:
        """Judge silence once, so that the first pause does not wait for the network's buffers."""
        self._judge(bytes(WINDOW_SAMPLES * 2))

    def close(self) -> None:
        self._worker.close()

    def _judge(self, audio: bytes) -> float:
        samples = np.frombuffer(audio, "<i2").astype(np.float32)[-WINDOW_SAMPLES:] / 32768.0
        window = np.pad(samples, (WINDOW_SAMPLES - len(samples), 0))
        scaled = (window - window.mean()) / np.sqrt(window.var() + SMALLEST_VARIANCE)
        features = self._spectrum(scaled.astype(np.float32), padding=0)[:, : WINDOW_SECONDS * 100]
        [probability] = self._network.run(None, {"input_features": features[None].astype(np.float32)})
        return float(np.asarray(probability).reshape(-1)[0])


def open_smart_turn(models: Path) -> SmartTurn:
    """The judge of that models folder; raises `SpeechFailed` when the file is missing."""
    network = onnxruntime.InferenceSession(
        the_file(models / "smart-turn-v3.2-cpu.onnx"), session_options(threads=1), providers=["CPUExecutionProvider"]
    )
    judge = SmartTurn(network)
    judge.warm()
    return judge
