"""One supervised, persistent MCP connection per tool server, and the only file that knows langchain-mcp-adapters.

Identity rides on each JSON-RPC request: the SDK posts from a task of its own, where no context variable of the caller
is seen, so a call leaves a handle in the request's `_meta` and the HTTP transport looks that call's own token up.
A request that fails becomes a JSON-RPC error for that one call; the connection and everybody else's calls go on.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import httpx
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from langchain_core.tools import BaseTool
from langchain_mcp_adapters.tools import load_mcp_tools
from mcp import ClientSession, McpError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import (
    CONNECTION_CLOSED,
    BlobResourceContents,
    CallToolResult,
    ClientRequest,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequest,
    ReadResourceRequestParams,
    ReadResourceResult,
    TextResourceContents,
    Tool,
)

logger = logging.getLogger(__name__)

HANDLE_KEY = "convonet/call"
UNREACHABLE = -32050
REFUSED = -32051
TIMED_OUT = 408
SESSION_ENDED = 32600
CONNECT_TIMEOUT_SECONDS = 5.0
FIRST_RETRY_SECONDS = 0.05
LONGEST_RETRY_SECONDS = 2.0


class ServerUnavailable(Exception):
    """The server cannot be reached."""


class CallRefused(Exception):
    """The server did not take this one call, or answered it against its own schema."""


class CallTimedOut(Exception):
    """The server did not answer in time."""


@dataclass
class LinkCall:
    """What one call carries besides its arguments, and the whole MCP result once it is there."""

    token: str
    meta: dict[str, str] = field(default_factory=dict)
    timeout_seconds: float | None = None
    result: CallToolResult | None = None


_current: ContextVar[LinkCall] = ContextVar("link_call")


class CallTransport(httpx.AsyncBaseTransport):
    """Gives each JSON-RPC request its own caller's token, and keeps one request's failure from ending the session."""

    def __init__(self, inner: httpx.AsyncBaseTransport, own_token: Callable[[], str]) -> None:
        self.inner = inner
        self.own_token = own_token
        self.tokens: dict[str, str] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request as the caller that its handle names; without a handle, as the orchestrator itself."""
        message = json.loads(request.content) if request.method == "POST" and request.content else {}
        meta = (message.get("params") or {}).get("_meta") or {}
        token = self.tokens.get(meta.get(HANDLE_KEY, "")) or self.own_token()
        request.headers["Authorization"] = f"Bearer {token}"
        try:
            response = await self.inner.handle_async_request(request)
        except httpx.TransportError as error:
            if "id" not in message:
                raise
            return _error_response(message, UNREACHABLE, f"{type(error).__name__}: the server cannot be reached")
        if response.status_code >= 400 and response.status_code != 404 and "id" in message:
            await response.aclose()
            return _error_response(message, REFUSED, f"the server answered with status {response.status_code}")
        return response

    async def aclose(self) -> None:
        await self.inner.aclose()


def _error_response(message: dict[str, Any], code: int, text: str) -> httpx.Response:
    body = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": code, "message": text}}
    return httpx.Response(200, json=body)


class _Session(ClientSession):
    """The SDK's session with each output schema compiled once; the SDK compiles it again for every result."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._validators: dict[str, Validator] = {}

    async def _validate_tool_result(self, name: str, result: CallToolResult) -> None:
        if name not in self._tool_output_schemas:
            await self.list_tools()
        schema = self._tool_output_schemas.get(name)
        if schema is None:
            return
        validator = self._validators.get(name)
        if validator is None or validator.schema is not schema:
            validator = self._validators[name] = validator_for(schema)(schema)
        try:
            validator.validate(result.structuredContent)
        except ValidationError as error:
            raise CallRefused(f"{name} answered against its own schema: {error.message}") from error


class Link:
    """The connection to one server; `run` keeps it up, the adapters see it as an MCP session."""

    def __init__(self, name: str, url: str, own_token: Callable[[], str], timeout_seconds: float) -> None:
        self.name = name
        self.url = url
        self.title = name
        self.instructions = ""
        self.tools: dict[str, Tool] = {}
        self.callables: dict[str, BaseTool] = {}
        self._timeout = timeout_seconds
        self._own_token = own_token
        self._session: ClientSession | None = None
        self._transport: CallTransport | None = None
        self._broken = asyncio.Event()
        self._up = asyncio.Event()
        self._handles = count(1)

    async def run(self) -> None:
        """Connect, stay connected, connect again with growing pauses; ends only by cancellation."""
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                await self._connected()
                pause = FIRST_RETRY_SECONDS
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
            except Exception as error:
                logger.debug("No connection to %s: %s", self.name, error)
            finally:
                self._session = None
                self._up.clear()
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_RETRY_SECONDS)

    async def _connected(self) -> None:
        inner = httpx.AsyncHTTPTransport(limits=httpx.Limits(max_connections=100, max_keepalive_connections=50))
        self._transport = CallTransport(inner, self._own_token)
        timeout = httpx.Timeout(CONNECT_TIMEOUT_SECONDS, read=None, pool=self._timeout)
        async with (
            httpx.AsyncClient(transport=self._transport, timeout=timeout) as client,
            streamable_http_client(self.url, http_client=client) as (reading, writing, _),
            _Session(reading, writing, read_timeout_seconds=timedelta(seconds=self._timeout)) as session,
        ):
            greeting = await session.initialize()
            self.title = greeting.serverInfo.title or greeting.serverInfo.name
            self.instructions = greeting.instructions or ""
            self._session = session
            self._broken.clear()
            self._up.set()
            await self._broken.wait()

    async def discover(self) -> list[Tool]:
        """List the server's tools anew. Raises ServerUnavailable."""
        callables = await load_mcp_tools(self, server_name=self.name)  # type: ignore[arg-type]  # a Link acts as session
        self.callables = {tool.name: tool for tool in callables}
        return list(self.tools.values())

    async def call(self, tool: str, arguments: dict[str, Any], call: LinkCall) -> CallToolResult:
        """Call a tool as one caller. Raises ServerUnavailable, CallRefused or CallTimedOut."""
        known = self.callables.get(tool)
        if known is None or known.coroutine is None:  # type: ignore[attr-defined]  # StructuredTool
            raise CallRefused(f"{self.name} has no tool {tool}.")
        token = _current.set(call)
        try:
            await known.ainvoke({"name": tool, "args": arguments, "id": "call", "type": "tool_call"})
        finally:
            _current.reset(token)
        if call.result is None:
            raise CallRefused(f"{self.name} gave no result.")
        return call.result

    async def list_tools(self, cursor: str | None = None) -> ListToolsResult:
        """One page of the server's tools, as the adapters ask for it."""
        session = await self._live()
        try:
            page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor))
        except McpError as error:
            raise self._translated(error) from error
        if cursor is None:
            self.tools = {}
        self.tools.update({tool.name: tool for tool in page.tools})
        return page

    async def call_tool(self, name: str, arguments: dict[str, Any], **options: Any) -> CallToolResult:
        """Send one call with the current caller's token, as the adapters ask for it."""
        call = _current.get()
        session = await self._live()
        timeout = timedelta(seconds=call.timeout_seconds or self._timeout)
        with self._identified(call) as meta:
            try:
                call.result = await session.call_tool(name, arguments, timeout, meta=meta)
            except McpError as error:
                raise self._translated(error) from error
        return call.result

    async def read(self, uri: str, call: LinkCall) -> list[TextResourceContents | BlobResourceContents]:
        """Read a resource as one caller. Raises ServerUnavailable, CallRefused or CallTimedOut."""
        session = await self._live()
        with self._identified(call) as meta:
            params = ReadResourceRequestParams.model_validate({"uri": uri, "_meta": meta})
            request = ClientRequest(ReadResourceRequest(params=params))
            try:
                result = await session.send_request(request, ReadResourceResult)
            except McpError as error:
                raise self._translated(error) from error
        return result.contents

    @contextmanager
    def _identified(self, call: LinkCall) -> Iterator[dict[str, str]]:
        """The `_meta` under which the transport finds this call's token while the block runs."""
        if self._transport is None:
            raise ServerUnavailable(f"{self.name} is not connected.")
        tokens = self._transport.tokens
        handle = str(next(self._handles))
        tokens[handle] = call.token
        try:
            yield {**call.meta, HANDLE_KEY: handle}
        finally:
            tokens.pop(handle, None)

    async def _live(self) -> ClientSession:
        try:
            async with asyncio.timeout(FIRST_RETRY_SECONDS * 2):
                await self._up.wait()
        except TimeoutError:
            raise ServerUnavailable(f"{self.name} cannot be reached.") from None
        if self._session is None:
            raise ServerUnavailable(f"{self.name} cannot be reached.")
        return self._session

    def _translated(self, error: McpError) -> Exception:
        if error.error.code == TIMED_OUT:
            return CallTimedOut(f"{self.name} did not answer in time.")
        if error.error.code in {CONNECTION_CLOSED, SESSION_ENDED}:
            self._broken.set()
        elif error.error.code != UNREACHABLE:
            return CallRefused(f"{self.name}: {error.error.message}")
        return ServerUnavailable(f"{self.name}: {error.error.message}")
