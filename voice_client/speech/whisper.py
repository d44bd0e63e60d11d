"""Speech to text by Whisper base (MIT), int8 on ctranslate2: 0.2 s for a 3 s command on two cores.

Whisper is trained on 30 s windows. Encoding the speech and 12 s of silence instead reads as well and takes less than
half the time; less silence than that breaks it.
"""

import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import _LANGUAGE_CODES, Tokenizer

from voice_client.speech.model_files import the_file
from voice_client.speech.protocols import (
    FRAME_SAMPLES,
    INPUT_SAMPLE_RATE,
    SpeechFailed,
    Transcript,
    VoiceActivity,
)
from voice_client.speech.silero import SileroActivity, open_silero
from voice_client.speech.utterance import Samples, Span, Utterance
from voice_client.speech.worker import Worker

PADDING_SECONDS = 12
WINDOW_MEL_FRAMES = 3000
LONGEST_SPAN_SECONDS = 28.0
EARLIEST_CUT_SECONDS = 12.0
PARTIAL_EVERY_SECONDS = 1.0
MOST_VOCABULARY_TOKENS = 120
MOST_CARRIED_TOKENS = 80
# Fast speech is about 5 tokens a second; what runs on beyond this is a loop.
TOKENS_PER_SECOND = 9
SPARE_TOKENS = 16
# Thresholds of Whisper's own decoder (openai/whisper, `transcribe.py`).
MOST_COMPRESSION = 2.4
NO_SPEECH = 0.6
LEAST_LOG_PROBABILITY = -1.0


@dataclass(frozen=True)
class _Reading:
    text: str
    log_probability: float
    no_speech: float

    @property
    def repeats(self) -> bool:
        return _compression(self.text) > MOST_COMPRESSION

    @property
    def is_silence(self) -> bool:
        return self.no_speech > NO_SPEECH and self.log_probability < LEAST_LOG_PROBABILITY


class Whisper:
    """The recogniser, shared by all sessions; windows of audio are read one at a time, in the order asked."""

    def __init__(self, model: WhisperModel, new_activity: Callable[[], VoiceActivity]) -> None:
        self._model = model
        self._new_activity = new_activity
        self._worker = Worker("whisper")

    async def transcribe(
        self, audio: AsyncIterator[bytes], *, language: str = "en", vocabulary: Sequence[str] = ()
    ) -> AsyncIterator[Transcript]:
        """Partial transcripts about every second of audio while nobody else waits, then the final one."""
        reader = _Reader(self._model, self._tokenizer(language), vocabulary, Utterance(self._new_activity()))
        unread_seconds = 0.0
        async for piece in audio:
            reader.utterance.extend(piece)
            unread_seconds += len(piece) / 2 / INPUT_SAMPLE_RATE
            if unread_seconds >= PARTIAL_EVERY_SECONDS and self._worker.is_idle:
                unread_seconds = 0.0
                text = await self._worker.run(reader.read)
                if text:
                    yield Transcript(text, is_final=False, audio_seconds=reader.utterance.seconds)
        text = await self._worker.run(reader.read)
        yield Transcript(text, is_final=True, audio_seconds=reader.utterance.seconds)

    def warm(self) -> None:
        """Read a second of silence once, so that the first utterance does not wait for the network's buffers."""
        _Reader(self._model, self._tokenizer("en"), (), Utterance(self._new_activity())).read_silence()

    def close(self) -> None:
        self._worker.close()

    def _tokenizer(self, language: str) -> Tokenizer:
        code = language.replace("_", "-").partition("-")[0].lower()
        if code not in _LANGUAGE_CODES:
            raise SpeechFailed(f"The embedded recogniser does not know the language {language!r}.")
        return Tokenizer(self._model.hf_tokenizer, self._model.model.is_multilingual, task="transcribe", language=code)


class _Reader:
    """Reads one growing utterance; what lies before the last cut is settled, what lies after is read anew."""

    def __init__(
        self, model: WhisperModel, tokenizer: Tokenizer, vocabulary: Sequence[str], utterance: Utterance
    ) -> None:
        self.utterance = utterance
        self._model = model
        self._tokenizer = tokenizer
        self._words = _vocabulary_tokens(tokenizer, vocabulary)
        self._settled: list[str] = []
        self._from_frame = 0
        self._last: tuple[Span, str] | None = None

    def read(self) -> str:
        """The words of the utterance so far; empty when nobody speaks."""
        span = self.utterance.speech(self._from_frame)
        while span is not None and span.seconds > LONGEST_SPAN_SECONDS:
            cut = self.utterance.quietest(
                span.start + _frames(EARLIEST_CUT_SECONDS), span.start + _frames(LONGEST_SPAN_SECONDS)
            )
            self._settled.append(self._read_span(Span(span.start, cut)))
            self._from_frame = cut
            span = self.utterance.speech(cut)
        open_text = "" if span is None else self._read_once(span)
        return " ".join(text for text in (*self._settled, open_text) if text)

    def read_silence(self) -> None:
        """Do the whole work of a reading on a second of nothing."""
        self._decode(self._encode(np.zeros(INPUT_SAMPLE_RATE, np.float32)), [], 1.0)

    def _read_once(self, span: Span) -> str:
        # Silence alone was added since the last reading: the words are the same.
        if self._last is not None and self._last[0] == span:
            return self._last[1]
        text = self._read_span(span)
        self._last = (span, text)
        return text

    def _read_span(self, span: Span) -> str:
        encoded = self._encode(self.utterance.samples(span.start, span.end))
        carried = self._tokenizer.encode(" " + self._settled[-1])[-MOST_CARRIED_TOKENS:] if self._settled else []
        reading = self._decode(encoded, [*self._words, *carried], span.seconds)
        if reading.repeats:
            reading = self._decode(encoded, [], span.seconds)
        return "" if reading.repeats or reading.is_silence else reading.text

    def _encode(self, samples: Samples) -> ctranslate2.StorageView:
        padded = np.concatenate([samples, np.zeros(PADDING_SECONDS * INPUT_SAMPLE_RATE, np.float32)])
        features = self._model.feature_extractor(padded)[:, :WINDOW_MEL_FRAMES]
        even = features[:, : features.shape[1] // 2 * 2]
        return self._model.model.encode(ctranslate2.StorageView.from_array(np.ascontiguousarray(even[None])))

    def _decode(self, encoded: ctranslate2.StorageView, context: list[int], seconds: float) -> _Reading:
        tokenizer = self._tokenizer
        prompt = [tokenizer.sot_prev, *context] if context else []
        prompt += [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        [result] = self._model.model.generate(
            encoded,
            [prompt],
            beam_size=1,
            max_length=min(len(prompt) + int(seconds * TOKENS_PER_SECOND) + SPARE_TOKENS, 448),
            suppress_blank=True,
            suppress_tokens=[-1],
            return_scores=True,
            return_no_speech_prob=True,
        )
        tokens = [token for token in result.sequences_ids[0] if token < tokenizer.eot]
        return _Reading(tokenizer.decode(tokens).strip(), result.scores[0], result.no_speech_prob)


def open_whisper(models: Path, model: str, threads: int) -> Whisper:
    """The recogniser of that models folder; raises `SpeechFailed` when a file is missing."""
    folder = models / model
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        the_file(folder / name)
    network = open_silero(models)
    whisper = WhisperModel(
        str(folder), device="cpu", compute_type="int8", cpu_threads=threads, num_workers=1, local_files_only=True
    )
    recogniser = Whisper(whisper, lambda: SileroActivity(network))
    recogniser.warm()
    return recogniser


def _frames(seconds: float) -> int:
    return int(seconds * INPUT_SAMPLE_RATE / FRAME_SAMPLES)


def _vocabulary_tokens(tokenizer: Tokenizer, vocabulary: Sequence[str]) -> list[int]:
    tokens: list[int] = []
    for word in vocabulary:
        more = tokenizer.encode(f" {word.strip()},")
        if len(tokens) + len(more) > MOST_VOCABULARY_TOKENS:
            break
        tokens += more
    return tokens


def _compression(text: str) -> float:
    written = text.encode()
    return len(written) / len(zlib.compress(written)) if written else 0.0
