"""The same call twice has one effect: a key from the request is stored with its result, in the same transaction.

A key belongs to one caller and one tool and is kept for seven days. The same key with other arguments is a conflict.
"""

import hashlib
import json
from datetime import timedelta
from typing import Any

from sqlalchemy import JSON, Column, MetaData, String, Table, delete, insert, select
from sqlmodel.ext.asyncio.session import AsyncSession

from mcp_servers.kit.database import UtcDateTime, utc_now
from mcp_servers.kit.errors import Conflict, Invalid

META_KEY = "convonet/idempotency-key"
KEPT = timedelta(days=7)
MAX_KEY_CHARACTERS = 200


def define_table(metadata: MetaData) -> Table:
    """The table of remembered calls among a domain's tables."""
    return Table(
        "idempotency_keys",
        metadata,
        Column("person_id", String(64), primary_key=True),
        Column("tool", String(64), primary_key=True),
        Column("key", String(MAX_KEY_CHARACTERS), primary_key=True),
        Column("arguments_hash", String(64), nullable=False),
        Column("result", JSON, nullable=False),
        Column("created_at", UtcDateTime, nullable=False, index=True),
    )


def hash_of(arguments: dict[str, Any]) -> str:
    """SHA-256 of the arguments in canonical JSON."""
    return hashlib.sha256(json.dumps(arguments, sort_keys=True, default=str).encode()).hexdigest()


class IdempotencyKeys:
    """Remembered calls of one domain."""

    def __init__(self, table: Table) -> None:
        self.table = table

    async def recall(
        self, session: AsyncSession, person_id: str, tool: str, key: str, arguments: dict[str, Any]
    ) -> dict[str, Any] | None:
        """The first result of that call, None when it is new. Raises Conflict for the same key with other arguments."""
        if len(key) > MAX_KEY_CHARACTERS:
            raise Invalid(f"The idempotency key has {len(key)} characters; at most {MAX_KEY_CHARACTERS} are accepted.")
        table = self.table
        mine = (table.c.person_id == person_id) & (table.c.tool == tool) & (table.c.key == key)
        row = (await session.execute(select(table).where(mine))).mappings().first()
        if row is None:
            return None
        if row["created_at"] < utc_now() - KEPT:
            await session.execute(delete(table).where(mine))
            return None
        if row["arguments_hash"] != hash_of(arguments):
            raise Conflict("This request was sent before with other details, so it was not done again.")
        result: dict[str, Any] = row["result"]
        return result

    async def remember(
        self,
        session: AsyncSession,
        person_id: str,
        tool: str,
        key: str,
        arguments: dict[str, Any],
        result: dict[str, Any],
    ) -> None:
        """Store the result beside the change that it reports; keys past their time go."""
        now = utc_now()
        await session.execute(delete(self.table).where(self.table.c.created_at < now - KEPT))
        await session.execute(
            insert(self.table).values(
                person_id=person_id,
                tool=tool,
                key=key,
                arguments_hash=hash_of(arguments),
                result=result,
                created_at=now,
            )
        )
