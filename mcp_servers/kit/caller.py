"""Who is asking: read from the verified token, never from an argument."""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastmcp.dependencies import Depends
from fastmcp.server.dependencies import get_access_token
from sqlmodel.ext.asyncio.session import AsyncSession

from mcp_servers.kit.errors import NotAllowed

ORCHESTRATOR_CLIENT = "orchestrator"


@dataclass(frozen=True)
class Caller:
    """The verified person behind a call; `client_id` names the host that speaks for them."""

    person_id: str
    email: str | None
    name: str
    roles: frozenset[str]
    timezone: str
    verified_by: tuple[str, ...]
    client_id: str

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def now(self) -> datetime:
        """The present moment on the caller's wall clock."""
        return datetime.now(self.zone)


@dataclass(frozen=True)
class ToolCall:
    """One call in progress: its caller and its transaction."""

    caller: Caller
    session: AsyncSession


_call: ContextVar[ToolCall] = ContextVar("tool_call")


class running:  # noqa: N801 - reads as a statement: `with running(call):`
    """Makes a call the current one for the tool's hidden parameters."""

    def __init__(self, call: ToolCall) -> None:
        self.call = call

    def __enter__(self) -> ToolCall:
        self.token = _call.set(self.call)
        return self.call

    def __exit__(self, *error: object) -> None:
        _call.reset(self.token)


def caller_from_token() -> Caller:
    """The person of the current request's verified token (claims: RFC 9068, OpenID Connect Core 5.1).

    Raises NotAllowed where the request carries none.
    """
    token = get_access_token()
    if token is None:
        raise NotAllowed("Sign in first: this call carries no verified identity.")
    return caller_from_claims(token.claims)


def caller_from_claims(claims: dict[str, Any]) -> Caller:
    """A Caller from a token's claims; an unknown time zone counts as UTC."""
    return Caller(
        person_id=str(claims["sub"]),
        email=claims.get("email"),
        name=str(claims.get("name") or claims.get("email") or "there"),
        roles=frozenset(claims.get("roles") or ()),
        timezone=_known_zone(str(claims.get("zoneinfo") or "UTC")),
        verified_by=tuple(claims.get("amr") or ()),
        client_id=str(claims.get("client_id") or "unknown"),
    )


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"
    return name


def _current_caller() -> Caller:
    return _call.get().caller


def _current_session() -> AsyncSession:
    return _call.get().session


CurrentCaller = Annotated[Caller, Depends(_current_caller)]
Transaction = Annotated[AsyncSession, Depends(_current_session)]
