"""Follows each server's news from a durable cursor and publishes it to the people it is for."""

import asyncio
import logging
from collections.abc import Callable

import httpx
from sqlalchemy import insert, select, update

from mcp_servers.kit.database import Database
from mcp_servers.kit.events import ServerEvent
from orchestrator.feed import Feed, News
from orchestrator.tables import feed_cursors as table

logger = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
TIMEOUT = httpx.Timeout(30.0, connect=5.0)


class NewsFollower:
    """One server's news, each piece published once."""

    def __init__(self, server: str, url: str, token: Callable[[], str], database: Database, feed: Feed) -> None:
        self.server = server
        self.url = url
        self._token = token
        self._database = database
        self._feed = feed

    async def run(self) -> None:
        """Follow until cancelled; a server that is away is asked again after a pause."""
        while True:
            try:
                await self._follow(await self._cursor())
            except (httpx.HTTPError, ValueError) as error:
                logger.debug("No news from %s: %s", self.server, error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _follow(self, cursor: int) -> None:
        headers = {"Authorization": f"Bearer {self._token()}", "Accept": "text/event-stream"}
        async with (
            httpx.AsyncClient(timeout=TIMEOUT) as client,
            client.stream("GET", self.url, params={"after": cursor}, headers=headers) as response,
        ):
            response.raise_for_status()
            async for line in response.aiter_lines():
                if line.startswith("data:"):
                    await self._publish(ServerEvent.model_validate_json(line.removeprefix("data:")))

    async def _publish(self, event: ServerEvent) -> None:
        await self._keep(event.id)
        news = News(f"{self.server}-{event.id}", event.kind, {**event.payload, "server": self.server}, event.at)
        self._feed.publish(event.recipients, news)

    async def _cursor(self) -> int:
        async with self._database.transaction() as session:
            row = (await session.execute(select(table.c.cursor).where(table.c.server == self.server))).first()
            if row is None:
                await session.execute(insert(table).values(server=self.server, cursor=0))
        return int(row.cursor) if row else 0

    async def _keep(self, cursor: int) -> None:
        async with self._database.transaction() as session:
            await session.execute(update(table).where(table.c.server == self.server).values(cursor=cursor))
