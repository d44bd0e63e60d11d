"""Builds one domain's ASGI application: its tools over streamable HTTP and SSE, health, and news.

The paths are whole (`/todo/mcp`), so the same application serves alone and beside others on one port.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import JWTVerifier
from fastmcp.server.http import create_sse_app
from pydantic import AnyHttpUrl
from sqlalchemy import MetaData, text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mcp_servers.kit import events, idempotency
from mcp_servers.kit.calls import ToolCalls
from mcp_servers.kit.database import Database
from mcp_servers.kit.migrations import Migrations
from mcp_servers.kit.news import news_route
from mcp_servers.kit.settings import ServerSettings
from mcp_servers.kit.tools import ToolDefinition, add_tool

PAGE_SIZE = 100


@dataclass(frozen=True)
class Domain:
    """One domain as data: what it is called, what it can do, and where its tables come from."""

    name: str
    title: str
    folder: Path
    metadata: MetaData
    tools: Sequence[ToolDefinition]

    @property
    def instructions(self) -> str:
        """What a model should know of this server: `instructions.md` beside its code."""
        return (self.folder / "instructions.md").read_text(encoding="utf-8").strip()

    @property
    def migrations(self) -> Migrations:
        return Migrations(self.name, self.folder / "migrations", self.metadata)


def create_server_app(domain: Domain, settings: ServerSettings, database_url: str) -> Starlette:
    """One domain's application; its lifespan migrates the tables and opens what the tools need."""
    database = Database(database_url)
    outbox = events.Outbox(domain.metadata.tables["events"])
    keys = idempotency.IdempotencyKeys(domain.metadata.tables["idempotency_keys"])
    auth = _auth(domain, settings)
    server: FastMCP[Any] = FastMCP(
        domain.title,
        instructions=domain.instructions,
        version=version("convonet"),
        auth=auth,
        middleware=[ToolCalls(database, keys, outbox)],
        mask_error_details=True,
        list_page_size=PAGE_SIZE,
    )
    for definition in domain.tools:
        add_tool(server, definition, settings.tool_timeout_seconds)
    hosts = [settings.url.host or "127.0.0.1"]
    streamable = server.http_app(
        path=f"/{domain.name}/mcp",
        stateless_http=True,
        json_response=True,
        host_origin_protection=True,
        allowed_hosts=hosts,
        allowed_origins=[settings.origin],
    )
    sse = create_sse_app(
        server,
        message_path=f"/{domain.name}/messages/",
        sse_path=f"/{domain.name}/sse",
        auth=auth,
        host_origin_protection=True,
        allowed_hosts=hosts,
        allowed_origins=[settings.origin],
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await domain.migrations.upgrade(database.engine)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(database.close)
            await stack.enter_async_context(streamable.router.lifespan_context(streamable))
            await stack.enter_async_context(sse.router.lifespan_context(sse))
            yield

    return Starlette(
        routes=[
            *streamable.routes,
            *sse.routes,
            Route(f"/{domain.name}/health", _health(domain, database)),
            news_route(domain.name, outbox, database),
        ],
        middleware=streamable.user_middleware,
        lifespan=lifespan,
    )


def _auth(domain: Domain, settings: ServerSettings) -> RemoteAuthProvider:
    """Tokens of the platform for this one server (RFC 9728 document, RFC 8707 audience)."""
    resource = f"{settings.origin}/{domain.name}"
    verifier = JWTVerifier(
        jwks_uri=f"{settings.origin}/.well-known/jwks.json",
        issuer=settings.origin,
        audience=[f"{resource}/mcp", f"{resource}/sse"],
        algorithm="ES256",
        jwks_refresh_interval=1.0,
    )
    return RemoteAuthProvider(
        token_verifier=verifier,
        authorization_servers=[AnyHttpUrl(settings.origin)],
        base_url=settings.origin,
        resource_name=domain.title,
    )


def _health(domain: Domain, database: Database) -> Any:
    async def health(request: Request) -> JSONResponse:
        """Whether the server can serve: its database answers."""
        async with database.engine.connect() as connection:
            await connection.execute(text("select 1"))
        return JSONResponse({"status": "up", "version": version("convonet"), "tools": len(domain.tools)})

    return health
