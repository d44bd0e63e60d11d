"""What waits for a yes: bound to one person, one tool and its exact arguments, for ten minutes, across restarts."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import select, update

from mcp_servers.kit.database import Database, new_id, utc_now
from mcp_servers.kit.idempotency import hash_of
from orchestrator.tables import approvals as table

VALID_FOR = timedelta(minutes=10)
LEAD_IN = r"(oh |ok |okay |well )*"
YES_WORDS = r"yes|yeah|yep|yup|sure|ok|okay|please do|do it|go ahead|go for it|confirm(ed)?|correct|right"
YES_MORE = r"absolutely|definitely|of course|affirmative|that'?s right"
NO_WORDS = r"no|nope|nah|don'?t|do not|cancel|stop|never ?mind|leave it|forget it|not now|keep it"
TAIL = r"please|thanks|thank you|do|do it|do that|that|it|i am sure|i'm sure"
YES = re.compile(rf"{LEAD_IN}({YES_WORDS}|{YES_MORE})( ({YES_WORDS}|{YES_MORE}|{TAIL}))*")
NO = re.compile(rf"{LEAD_IN}({NO_WORDS})( ({NO_WORDS}|{TAIL}))*")


@dataclass(frozen=True)
class Approval:
    """One action that was asked about."""

    id: str
    person_id: str
    thread_id: str
    tool: str
    arguments: dict[str, Any]
    question: str


def reading_of(words: str) -> Literal["yes", "no"] | None:
    """Whether an utterance as a whole says yes or no; anything more is neither."""
    plain = re.sub(r"[^a-z' ]+", " ", words.lower().replace("’", "'"))
    plain = re.sub(r"\s+", " ", plain).strip()
    if YES.fullmatch(plain):
        return "yes"
    if NO.fullmatch(plain):
        return "no"
    return None


class Approvals:
    """The questions that are open; each is decided once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ask(self, person_id: str, thread_id: str, tool: str, arguments: dict[str, Any], question: str) -> str:
        """Open a question in a thread, where it replaces an older one; gives its id."""
        approval_id, now = new_id(), utc_now()
        async with self._database.transaction() as session:
            await session.execute(_closing(person_id, thread_id, "superseded"))
            await session.execute(
                table.insert().values(
                    id=approval_id,
                    person_id=person_id,
                    thread_id=thread_id,
                    tool=tool,
                    arguments=arguments,
                    arguments_hash=hash_of(arguments),
                    question=question,
                    state="open",
                    created_at=now,
                    expires_at=now + VALID_FOR,
                )
            )
        return approval_id

    async def waiting(self, person_id: str, thread_id: str | None = None) -> list[Approval]:
        """A person's open questions, in one thread or in all, newest first."""
        query = select(table).where(
            table.c.person_id == person_id, table.c.state == "open", table.c.expires_at > utc_now()
        )
        if thread_id is not None:
            query = query.where(table.c.thread_id == thread_id)
        async with self._database.transaction() as session:
            rows = (await session.execute(query.order_by(table.c.created_at.desc()))).mappings().all()
        return [_approval(dict(row)) for row in rows]

    async def decide(self, approval_id: str, person_id: str, approved: bool) -> Approval | None:
        """Close a question; None where it is not this person's, was decided before, or has expired."""
        mine = (
            (table.c.id == approval_id)
            & (table.c.person_id == person_id)
            & (table.c.state == "open")
            & (table.c.expires_at > utc_now())
        )
        state = "approved" if approved else "refused"
        async with self._database.transaction() as session:
            closed = update(table).where(mine).values(state=state).returning(*table.c)
            row = (await session.execute(closed)).mappings().first()
        if row is None or row["arguments_hash"] != hash_of(row["arguments"]):
            return None
        return _approval(dict(row))

    async def withdraw(self, person_id: str, thread_id: str) -> None:
        """Close what is open in a thread: the person went on to something else."""
        async with self._database.transaction() as session:
            await session.execute(_closing(person_id, thread_id, "withdrawn"))


def _closing(person_id: str, thread_id: str, state: str) -> Any:
    mine = (table.c.person_id == person_id) & (table.c.thread_id == thread_id) & (table.c.state == "open")
    return update(table).where(mine).values(state=state)


def _approval(row: dict[str, Any]) -> Approval:
    return Approval(row["id"], row["person_id"], row["thread_id"], row["tool"], dict(row["arguments"]), row["question"])
