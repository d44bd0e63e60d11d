"""The tools that exist right now: discovered at run time, kept fresh, and called as the person who asks.

A server that is down costs its own tools only. A failed refresh keeps the last good list.
"""

import asyncio
import contextlib
import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from mcp.types import CallToolResult, TextContent, Tool
from pydantic import JsonValue, TypeAdapter
from pydantic import ValidationError as PydanticValidationError

from mcp_servers.kit.effects import EFFECT_META_KEY, Effect
from mcp_servers.kit.idempotency import META_KEY as IDEMPOTENCY_META_KEY
from orchestrator.identity.people import Person
from orchestrator.links import CallRefused, CallTimedOut, Link, LinkCall, ServerUnavailable
from orchestrator.protocol import CatalogView, Hints, ServerHealth, ToolView

logger = logging.getLogger(__name__)

FRESH_SECONDS = 30.0
MISSING_SECONDS = 0.5
_effect: TypeAdapter[Effect] = TypeAdapter(Effect)


@dataclass(frozen=True)
class ToolOutcome:
    """What came of one call: a sentence, data, perhaps an effect; a failure is an outcome too."""

    status: Literal["success", "failed", "timeout"]
    text: str
    data: JsonValue = None
    effect: Effect | None = None
    duration_ms: float = 0.0

    @property
    def failed(self) -> bool:
        return self.status != "success"


@dataclass
class Server:
    """A tool server as the catalogue sees it; `effects` are the kinds that settings trust it with."""

    link: Link
    mint: Callable[[Person, str], str]
    effects: frozenset[str] = frozenset()
    views: dict[str, ToolView] = field(default_factory=dict)
    up: bool = False
    detail: str | None = None


class UnknownTool(LookupError):
    """No server offers a tool of that name."""


class ToolCatalog:
    """All servers' tools by name; the model and `POST /agent/tools` call through the same `call`."""

    def __init__(self, servers: list[Server], timeout_seconds: float) -> None:
        self.servers = {server.link.name: server for server in servers}
        self.first_refresh = asyncio.Event()
        self._went_missing = asyncio.Event()
        self._timeout = timeout_seconds
        self._owners: dict[str, Server] = {}
        self._hashes: dict[str, str] = {}

    async def run(self) -> None:
        """Keep every link up and the list fresh, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for server in self.servers.values():
                tasks.create_task(server.link.run())
            tasks.create_task(self.keep_fresh())

    async def keep_fresh(self) -> None:
        """Refresh again and again: often while a server is missing, seldom when all answer."""
        while True:
            self._went_missing.clear()
            await self.refresh()
            self.first_refresh.set()
            if any(not server.up for server in self.servers.values()):
                await asyncio.sleep(MISSING_SECONDS)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FRESH_SECONDS):
                    await self._went_missing.wait()

    async def refresh(self) -> None:
        """Ask every server at once for its tools."""
        async with asyncio.TaskGroup() as tasks:
            for server in self.servers.values():
                tasks.create_task(self._refresh_one(server))
        self._index()

    async def _refresh_one(self, server: Server) -> None:
        name = server.link.name
        try:
            async with asyncio.timeout(self._timeout):
                tools = await server.link.discover()
        except (ServerUnavailable, TimeoutError) as error:
            if server.up or server.detail is None:
                logger.warning("Server %s is unavailable: %s", name, error)
            server.up, server.detail = False, f"{server.link.title} cannot be reached"
            return
        server.views = {tool.name: _view(tool, name) for tool in tools if _is_for_model(tool)}
        server.up, server.detail = True, None
        self._notice_changes(server)

    def _notice_changes(self, server: Server) -> None:
        for view in server.views.values():
            digest = hashlib.sha256(json.dumps(view.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()
            key = f"{view.server}/{view.name}"
            if self._hashes.setdefault(key, digest) != digest:
                logger.warning("The description of tool %s has changed since it was first seen", key)
                self._hashes[key] = digest

    def _index(self) -> None:
        owners: dict[str, Server] = {}
        for server in self.servers.values():
            for name in server.views:
                first = owners.setdefault(name, server)
                if first is not server:
                    server.detail = f"{name} of {server.link.name} is refused: {first.link.name} has one of that name"
        self._owners = owners

    def tools(self) -> list[ToolView]:
        """Every known tool, in the servers' own order; those of a missing server stay, and fail with a plain word."""
        return [server.views[name] for name, server in self._owners.items()]

    def known(self, name: str) -> ToolView | None:
        """A tool by name."""
        owner = self._owners.get(name)
        return owner.views.get(name) if owner else None

    def missing(self) -> list[str]:
        """The names of servers that cannot be reached."""
        return [name for name, server in self.servers.items() if not server.up]

    def instructions(self) -> dict[str, str]:
        """Each reachable server's own words on how its tools are meant."""
        return {name: server.link.instructions for name, server in self.servers.items() if server.up}

    def view(self) -> CatalogView:
        """The catalogue with the health of every server."""
        return CatalogView(tools=self.tools(), servers={name: _health(s) for name, s in self.servers.items()})

    async def call(
        self, name: str, arguments: dict[str, Any], caller: Person, idempotency_key: str | None = None
    ) -> ToolOutcome:
        """Call a tool as that person, with a token made for this call and that server. Raises UnknownTool."""
        server = self._owners.get(name)
        if server is None:
            raise UnknownTool(name)
        meta = {IDEMPOTENCY_META_KEY: idempotency_key} if idempotency_key else {}
        call = LinkCall(server.mint(caller, server.link.url), meta, self._timeout)
        started = time.perf_counter()
        try:
            result = await self._call_again_when_lost(server, name, arguments, call)
        except ServerUnavailable as error:
            logger.warning("Tool %s: %s", name, error)
            self._miss(server)
            return ToolOutcome("failed", _unavailable(server), duration_ms=_since(started))
        except CallRefused as error:
            logger.error("Tool %s: %s", name, error)
            return ToolOutcome("failed", "Sorry, that did not work on our side.", duration_ms=_since(started))
        except CallTimedOut:
            text = f"{server.link.title} took too long to answer, so I do not know yet whether that was done."
            return ToolOutcome("timeout", text, duration_ms=_since(started))
        return _outcome(result, server, _since(started))

    async def _call_again_when_lost(
        self, server: Server, name: str, arguments: dict[str, Any], call: LinkCall
    ) -> CallToolResult:
        """A call lost on the way is sent once more: its idempotency key sees to it that nothing happens twice."""
        try:
            return await server.link.call(name, arguments, call)
        except ServerUnavailable:
            if not call.meta:
                raise
        return await server.link.call(name, arguments, call)

    async def read(self, uri: str, caller: Person) -> list[dict[str, Any]]:
        """Read a resource of the server that its scheme names. Raises LookupError where there is none."""
        server = self.servers.get(uri.partition("://")[0])
        if server is None:
            raise LookupError(uri)
        try:
            contents = await server.link.read(uri, LinkCall(server.mint(caller, server.link.url)))
        except (ServerUnavailable, CallRefused, CallTimedOut) as error:
            raise LookupError(uri) from error
        return [content.model_dump(mode="json", exclude_none=True) for content in contents]

    def _miss(self, server: Server) -> None:
        server.up, server.detail = False, f"{server.link.title} cannot be reached"
        self._went_missing.set()


def _unavailable(server: Server) -> str:
    return f"Sorry, {server.link.title} is unavailable right now, so nothing was done. Please try again in a moment."


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def _outcome(result: CallToolResult, server: Server, duration_ms: float) -> ToolOutcome:
    text = " ".join(block.text for block in result.content if isinstance(block, TextContent)).strip()
    if result.isError:
        return ToolOutcome("failed", text or "That did not work.", duration_ms=duration_ms)
    return ToolOutcome("success", text, result.structuredContent, _trusted_effect(result, server), duration_ms)


def _trusted_effect(result: CallToolResult, server: Server) -> Effect | None:
    asked = (result.meta or {}).get(EFFECT_META_KEY)
    if asked is None:
        return None
    try:
        effect = _effect.validate_python(asked)
    except PydanticValidationError:
        logger.warning("Server %s asked for an effect that nobody knows", server.link.name)
        return None
    if effect.kind not in server.effects:
        logger.warning("Server %s is not trusted with the effect %s", server.link.name, effect.kind)
        return None
    return effect


def _is_for_model(tool: Tool) -> bool:
    visibility = ((tool.meta or {}).get("ui") or {}).get("visibility", ["model"])
    return "model" in visibility


def _view(tool: Tool, server: str) -> ToolView:
    hints = tool.annotations.model_dump(exclude_none=True) if tool.annotations else {}
    return ToolView(
        name=tool.name,
        server=server,
        title=hints.get("title") or tool.title or tool.name.replace("_", " "),
        description=tool.description or "",
        input_schema=tool.inputSchema,
        output_schema=tool.outputSchema,
        hints=Hints(
            read_only=hints.get("readOnlyHint", False),
            destructive=hints.get("destructiveHint", True),
            idempotent=hints.get("idempotentHint", False),
            open_world=hints.get("openWorldHint", True),
        ),
    )


def _health(server: Server) -> ServerHealth:
    return ServerHealth(status="up" if server.up else "down", tools=len(server.views), detail=server.detail)
