"""What the voice gateway reads from its environment (contract.md, section 10)."""

from pathlib import Path

from pydantic import AnyHttpUrl, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class VoiceSettings(BaseSettings):
    """Addresses, engines and limits of the voice gateway."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    home: Path = Field(default=Path(".convonet"), validation_alias="CONVONET_HOME")
    url: AnyHttpUrl = Field(default=AnyHttpUrl("http://127.0.0.1:8000"), validation_alias="CONVONET_URL")
    orchestrator_url: AnyHttpUrl | None = Field(default=None, validation_alias="ORCHESTRATOR_URL")
    models_folder: Path | None = Field(default=None, validation_alias="CONVONET_MODELS")

    speech_to_text: str = Field(
        default="embedded",
        validation_alias="VOICE_STT_PROVIDER",
        description="An engine's name, or `name:option` (`embedded:whisper-base`).",
    )
    text_to_speech: str = Field(
        default="embedded",
        validation_alias="VOICE_TTS_PROVIDER",
        description="An engine's name, or `name:voice` (`embedded:af_heart`).",
    )
    speech_threads: int = Field(default=2, ge=1, validation_alias="VOICE_THREADS")

    max_utterance_seconds: float = Field(default=60.0, gt=0, validation_alias="VOICE_MAX_UTTERANCE_SECONDS")
    max_message_bytes: int = Field(default=262_144, ge=4_096, validation_alias="VOICE_MAX_MESSAGE_BYTES")
    max_text_characters: int = Field(default=8_000, ge=1, validation_alias="VOICE_MAX_TEXT_CHARACTERS")
    idle_seconds: float = Field(default=300.0, gt=0, validation_alias="VOICE_IDLE_SECONDS")
    authenticate_seconds: float = Field(default=60.0, gt=0, validation_alias="VOICE_AUTHENTICATE_SECONDS")
    max_sessions: int = Field(default=50, ge=1, validation_alias="VOICE_MAX_SESSIONS")
    turn_seconds: float = Field(default=60.0, gt=0, validation_alias="VOICE_TURN_SECONDS")

    @property
    def origin(self) -> str:
        """The platform's public URL without a slash at its end."""
        return str(self.url).rstrip("/")

    @property
    def orchestrator(self) -> str:
        """Where the orchestrator answers, without a slash at its end."""
        return str(self.orchestrator_url or self.url).rstrip("/")

    @property
    def models(self) -> Path:
        """The folder of the assembled speech models."""
        return self.models_folder or self.home / "models"
