"""What a tool server reads from its environment (contract.md, section 10)."""

from pathlib import Path
from typing import Literal

from pydantic import AnyHttpUrl, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServerSettings(BaseSettings):
    """Settings that every tool server shares; a domain adds its own and names its database variable."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    home: Path = Field(default=Path(".convonet"), validation_alias="CONVONET_HOME")
    url: AnyHttpUrl = Field(default=AnyHttpUrl("http://127.0.0.1:8000"), validation_alias="CONVONET_URL")
    environment: Literal["embedded", "production"] = Field(default="embedded", validation_alias="CONVONET_ENV")
    tool_timeout_seconds: float = Field(default=8.0, gt=0, validation_alias="TOOL_TIMEOUT_SECONDS")

    @property
    def origin(self) -> str:
        """The platform's public URL without a slash at its end: issuer of tokens and root of every path."""
        return str(self.url).rstrip("/")

    def sqlite_file(self, name: str) -> str:
        """A SQLAlchemy URL for the file of that name in the home."""
        return f"sqlite+aiosqlite:///{(self.home / f'{name}.db').absolute()}"
