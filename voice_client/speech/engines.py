"""Opens speech engines by name, once, and lends them to every session; an engine is warm when it is open.

A name is `provider` or `provider:option`: `embedded`, `embedded:af_heart`, `deepgram:nova-3`. A provider is one builder
function: those of this package are listed here, a stranger's is an entry point of the same shape.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Generic, Protocol, TypeVar

from voice_client.settings import VoiceSettings
from voice_client.speech.protocols import EndOfTurn, SpeechFailed, SpeechToText, TextToSpeech, VoiceActivity

SPEECH_TO_TEXT_GROUP = "convonet.speech_to_text"
TEXT_TO_SPEECH_GROUP = "convonet.text_to_speech"
LISTENING_GROUP = "convonet.listening"


class Closable(Protocol):
    def close(self) -> None: ...


Engine = TypeVar("Engine", bound=Closable)


@dataclass(frozen=True)
class Ears:
    """Who speaks now and who has finished: a new activity for each stream, one judge for all."""

    activity: Callable[[], VoiceActivity]
    end_of_turn: EndOfTurn
    close: Callable[[], None]


class OpenedSpeechToText(SpeechToText, Closable, Protocol):
    """A recogniser with the thread, files or connections that it holds until it is closed."""


class OpenedTextToSpeech(TextToSpeech, Closable, Protocol):
    """A voice with the thread, files or connections that it holds until it is closed."""


BuildSpeechToText = Callable[[VoiceSettings, str], OpenedSpeechToText]
BuildTextToSpeech = Callable[[VoiceSettings, str], OpenedTextToSpeech]


def _whisper(settings: VoiceSettings, option: str) -> OpenedSpeechToText:
    from voice_client.speech.whisper import open_whisper  # noqa: PLC0415 (an optional engine loads late)

    return open_whisper(settings.models, model=option or "whisper-base", threads=settings.speech_threads)


def _kokoro(settings: VoiceSettings, option: str) -> OpenedTextToSpeech:
    from voice_client.speech.kokoro import open_kokoro  # noqa: PLC0415 (an optional engine loads late)

    return open_kokoro(settings.models, voice=option or "af_heart", threads=settings.speech_threads)


def _ears(settings: VoiceSettings, option: str) -> Ears:
    from voice_client.speech.silero import SileroActivity, open_silero  # noqa: PLC0415 (an optional engine loads late)
    from voice_client.speech.smart_turn import open_smart_turn  # noqa: PLC0415 (an optional engine loads late)

    network = open_silero(settings.models)
    judge = open_smart_turn(settings.models)
    return Ears(activity=lambda: SileroActivity(network), end_of_turn=judge, close=judge.close)


SPEECH_TO_TEXT: Mapping[str, BuildSpeechToText] = {"embedded": _whisper}
TEXT_TO_SPEECH: Mapping[str, BuildTextToSpeech] = {"embedded": _kokoro}
LISTENING: Mapping[str, Callable[[VoiceSettings, str], Ears]] = {"embedded": _ears}


class _Shelf(Generic[Engine]):
    """Builds each named engine of one kind once and keeps it."""

    def __init__(
        self,
        kind: str,
        settings: VoiceSettings,
        group: str,
        builders: Mapping[str, Callable[[VoiceSettings, str], Engine]],
    ) -> None:
        self._kind = kind
        self._settings = settings
        self._builders = {entry.name: entry.load for entry in entry_points(group=group)}
        self._own = dict(builders)
        self._opened: dict[str, Engine] = {}
        self._lock = asyncio.Lock()

    @property
    def providers(self) -> list[str]:
        return sorted({*self._own, *self._builders})

    async def open(self, name: str) -> Engine:
        async with self._lock:
            if name not in self._opened:
                self._opened[name] = await asyncio.to_thread(self._build, name)
            return self._opened[name]

    def _build(self, name: str) -> Engine:
        provider, _, option = name.strip().partition(":")
        if provider in self._own:
            return self._own[provider](self._settings, option)
        if provider in self._builders:
            build: Callable[[VoiceSettings, str], Engine] = self._builders[provider]()
            return build(self._settings, option)
        accepted = ", ".join(self.providers)
        raise SpeechFailed(f"No {self._kind} engine is called {provider!r}. Accepted: {accepted}.")

    def close(self) -> None:
        for engine in self._opened.values():
            engine.close()
        self._opened.clear()


class SpeechEngines:
    """Every speech engine of one process, built at its first use and shared by all sessions."""

    def __init__(
        self,
        settings: VoiceSettings,
        speech_to_text: Mapping[str, BuildSpeechToText] = SPEECH_TO_TEXT,
        text_to_speech: Mapping[str, BuildTextToSpeech] = TEXT_TO_SPEECH,
    ) -> None:
        self._settings = settings
        self._recognisers = _Shelf("speech-to-text", settings, SPEECH_TO_TEXT_GROUP, speech_to_text)
        self._voices = _Shelf("text-to-speech", settings, TEXT_TO_SPEECH_GROUP, text_to_speech)
        self._ears = _Shelf("listening", settings, LISTENING_GROUP, LISTENING)

    @property
    def providers(self) -> dict[str, list[str]]:
        """Accepted provider names by kind: `speech_to_text` and `text_to_speech`."""
        return {"speech_to_text": self._recognisers.providers, "text_to_speech": self._voices.providers}

    async def speech_to_text(self, name: str | None = None) -> SpeechToText:
        """The recogniser of that name, or the default of the settings; raises `SpeechFailed`."""
        return await self._recognisers.open(name or self._settings.speech_to_text)

    async def text_to_speech(self, name: str | None = None) -> TextToSpeech:
        """The voice of that name, or the default of the settings; raises `SpeechFailed`."""
        return await self._voices.open(name or self._settings.text_to_speech)

    async def voice_activity(self) -> VoiceActivity:
        """A detector of one's own for one stream; raises `SpeechFailed`."""
        return (await self._ears.open("embedded")).activity()

    async def end_of_turn(self) -> EndOfTurn:
        """The judge of finished turns, shared; raises `SpeechFailed`."""
        return (await self._ears.open("embedded")).end_of_turn

    async def warm(self) -> None:
        """Build the default engines, so that the first caller does not wait; raises `SpeechFailed`."""
        await asyncio.gather(self.speech_to_text(), self.text_to_speech(), self.voice_activity(), self.end_of_turn())

    def close(self) -> None:
        self._recognisers.close()
        self._voices.close()
        self._ears.close()


@asynccontextmanager
async def open_engines(settings: VoiceSettings) -> AsyncIterator[SpeechEngines]:
    """The speech engines of these settings, closed when the block ends."""
    engines = SpeechEngines(settings)
    try:
        yield engines
    finally:
        await asyncio.to_thread(engines.close)
