"""Builds the orchestrator: identity, catalogue, graph and turns behind one ASGI application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import entry_points, version

from fastapi import FastAPI
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from mcp_servers.kit.database import Database
from orchestrator.approvals import Approvals
from orchestrator.catalog import Server, ToolCatalog
from orchestrator.errors import answer_errors
from orchestrator.feed import Feed
from orchestrator.following import NewsFollower
from orchestrator.graph import build_graph
from orchestrator.identity.identity import Identity, open_identity
from orchestrator.identity.routes import router as identity_router
from orchestrator.links import Link
from orchestrator.models.loading import Models
from orchestrator.platform import Platform
from orchestrator.routes import admin, feed, health, threads, tools, turns
from orchestrator.settings import OrchestratorSettings
from orchestrator.tables import migrations
from orchestrator.turns import TurnLimits, TurnRunner
from orchestrator.vocabulary import Vocabulary

SERVERS_GROUP = "convonet.servers"


def create_app(settings: OrchestratorSettings | None = None) -> FastAPI:
    """The orchestrator as an ASGI application; nothing is opened before its lifespan begins."""
    settings = settings or OrchestratorSettings()
    settings.home.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database)
    identity = open_identity(settings, database)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await migrations.upgrade(database.engine)
        app.state.first_admin = await identity.people.ensure_first_admin(settings)
        threads_file = settings.home / "threads.db"
        async with AsyncSqliteSaver.from_conn_string(str(threads_file)) as saver:
            await saver.setup()
            platform, models = _build(settings, database, identity, saver)
            app.state.platform = platform
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(platform.catalog.run()),
                    tasks.create_task(platform.runner.run_forever()),
                    tasks.create_task(models.load()),
                    *(tasks.create_task(follower.run()) for follower in _followers(platform, identity)),
                ]
                yield
                for task in running:
                    task.cancel()
        await database.close()

    app = FastAPI(title="Convonet orchestrator", version=version("convonet"), lifespan=lifespan)
    app.state.identity = identity
    app.state.migrations = migrations
    app.state.database = database
    app.state.local_admin_token = identity.tokens.local_admin_token
    answer_errors(app)
    for module in (turns, tools, threads, feed, health, admin):
        app.include_router(module.router)
    app.include_router(identity_router)
    return app


def _build(
    settings: OrchestratorSettings, database: Database, identity: Identity, saver: AsyncSqliteSaver
) -> tuple[Platform, Models]:
    models = Models()
    catalog = ToolCatalog(_servers(settings, identity), settings.tool_timeout_seconds)
    approvals = Approvals(database)
    limits = TurnLimits(settings.first_word_timeout_seconds, settings.turn_cap_seconds)
    runner = TurnRunner(build_graph(models, catalog, saver), catalog, approvals, settings.model, limits)
    platform = Platform(
        settings, database, catalog, approvals, runner, Feed(), Vocabulary(catalog), model_ready=models.ready
    )
    return platform, models


def _servers(settings: OrchestratorSettings, identity: Identity) -> list[Server]:
    """The platform's own servers, and those that were added by URL; only the first are told who is asking."""
    tokens = identity.tool_tokens
    servers = []
    for name in sorted(entry_point.name for entry_point in entry_points(group=SERVERS_GROUP)):
        url = f"{settings.origin}/{name}/mcp"
        link = Link(name, url, lambda url=url: tokens.mint_service(url), settings.tool_timeout_seconds)
        servers.append(Server(link, tokens.mint))
    for name, url in settings.added_servers().items():
        link = Link(name, url, lambda url=url: tokens.mint_service(url), settings.tool_timeout_seconds)
        servers.append(Server(link, tokens.mint_pseudonymous))
    return servers


def _followers(platform: Platform, identity: Identity) -> list[NewsFollower]:
    origin = platform.settings.origin
    own = [entry_point.name for entry_point in entry_points(group=SERVERS_GROUP)]
    tokens = identity.tool_tokens
    return [
        NewsFollower(
            name,
            f"{origin}/{name}/events",
            lambda name=name: tokens.mint_service(f"{origin}/{name}/mcp"),
            platform.database,
            platform.feed,
        )
        for name in own
    ]
