"""What the orchestrator reads from its environment (contract.md, section 10)."""

from pathlib import Path
from typing import Literal

from pydantic import AnyHttpUrl, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class OrchestratorSettings(BaseSettings):
    """Addresses, secrets, limits and choices of the orchestrator."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    home: Path = Field(default=Path(".convonet"), validation_alias="CONVONET_HOME")
    url: AnyHttpUrl = Field(default=AnyHttpUrl("http://127.0.0.1:8000"), validation_alias="CONVONET_URL")
    environment: Literal["embedded", "production"] = Field(default="embedded", validation_alias="CONVONET_ENV")
    database_url: str | None = Field(default=None, validation_alias="ORCHESTRATOR_DATABASE_URL")
    redis_url: str = Field(default="memory://", validation_alias="REDIS_URL")

    jwt_secret_key: SecretStr | None = Field(default=None, validation_alias="JWT_SECRET_KEY")
    signing_key: SecretStr | None = Field(default=None, validation_alias="CONVONET_SIGNING_KEY")
    registration: Literal["closed", "invite", "open"] = Field(default="closed", validation_alias="REGISTRATION")
    admin_email: str | None = Field(default=None, validation_alias="CONVONET_ADMIN_EMAIL")
    admin_password: SecretStr | None = Field(default=None, validation_alias="CONVONET_ADMIN_PASSWORD")
    admin_pin: SecretStr | None = Field(default=None, validation_alias="VOICE_PIN")

    servers: str = Field(
        default="",
        validation_alias="ORCHESTRATOR_SERVERS",
        description="More MCP servers, `name=url` separated by commas; they are not trusted with identity.",
    )
    model: str = Field(default="embedded", validation_alias="LLM_MODEL", description="A litellm name, or `embedded`.")
    tool_timeout_seconds: float = Field(default=8.0, gt=0, validation_alias="TOOL_TIMEOUT_SECONDS")
    first_word_timeout_seconds: float = Field(default=10.0, gt=0, validation_alias="AGENT_TIMEOUT_SECONDS")
    turn_cap_seconds: float = Field(default=60.0, gt=0, validation_alias="AGENT_TURN_CAP_SECONDS")

    @property
    def origin(self) -> str:
        """The platform's public URL without a slash at its end: issuer of tokens and root of every path."""
        return str(self.url).rstrip("/")

    @property
    def database(self) -> str:
        """The SQLAlchemy URL: the setting, or a SQLite file in the home."""
        return self.database_url or f"sqlite+aiosqlite:///{(self.home / 'orchestrator.db').absolute()}"

    def added_servers(self) -> dict[str, str]:
        """Name -> URL of the servers in `ORCHESTRATOR_SERVERS`. Raises ValueError for a part without a name or URL."""
        servers: dict[str, str] = {}
        for part in filter(None, (part.strip() for part in self.servers.split(","))):
            name, separator, url = part.partition("=")
            if not separator or not name.isidentifier() or not url.startswith(("http://", "https://")):
                raise ValueError(f"ORCHESTRATOR_SERVERS: {part!r} is not of the form name=https://host/path.")
            servers[name] = url
        return servers
