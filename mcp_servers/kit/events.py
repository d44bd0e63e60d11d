"""News for the orchestrator: rows written in the same transaction as the change, followed from a cursor.

Nothing calls back: the orchestrator reads `GET /{server}/events?after=CURSOR` and keeps the cursor.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from pydantic import BaseModel, JsonValue
from sqlalchemy import JSON, BigInteger, Column, Integer, MetaData, String, Table, insert, select
from sqlmodel.ext.asyncio.session import AsyncSession

from mcp_servers.kit.database import Database, UtcDateTime, utc_now

PAGE = 200
POLL_SECONDS = 1.0


class ServerEvent(BaseModel):
    """One piece of news: `recipients` are person ids."""

    id: int
    kind: str
    recipients: list[str]
    payload: dict[str, JsonValue]
    at: str


def define_table(metadata: MetaData) -> Table:
    """The outbox among a domain's tables."""
    return Table(
        "events",
        metadata,
        Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
        Column("kind", String(64), nullable=False),
        Column("recipients", JSON, nullable=False),
        Column("payload", JSON, nullable=False),
        Column("at", UtcDateTime, nullable=False),
    )


class Outbox:
    """The events of one domain."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._news = asyncio.Event()

    async def write(self, session: AsyncSession, kind: str, recipients: list[str], payload: dict[str, Any]) -> None:
        """Add an event to the caller's transaction."""
        await session.execute(
            insert(self.table).values(kind=kind, recipients=recipients, payload=payload, at=utc_now())
        )

    def wake(self) -> None:
        """Tell this process's followers that something was committed; other processes notice within a second."""
        self._news.set()

    async def after(self, database: Database, cursor: int) -> list[ServerEvent]:
        """The next page of events past the cursor, oldest first."""
        table = self.table
        query = select(table).where(table.c.id > cursor).order_by(table.c.id).limit(PAGE)
        async with database.engine.connect() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [ServerEvent(**{**row, "at": row["at"].isoformat()}) for row in rows]

    async def follow(self, database: Database, cursor: int) -> AsyncIterator[ServerEvent | None]:
        """Events past the cursor as they are committed; None now and then, so that a lost reader is noticed."""
        while True:
            self._news.clear()
            page = await self.after(database, cursor)
            for event in page:
                cursor = event.id
                yield event
            if len(page) < PAGE:
                yield None
                await self._wait_for_news()

    async def _wait_for_news(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._news.wait()
        except TimeoutError:
            return
