"""Live news for people: who may see it gets it, on every connection that they hold open.

This is the single process's own; production publishes through Redis.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass

from pydantic import JsonValue

WAITING = 200


@dataclass(frozen=True)
class News:
    """One event as a person's clients see it; `id` is unique and serves to acknowledge it."""

    id: str
    kind: str
    payload: dict[str, JsonValue]
    at: str


class Feed:
    """Publishes to people; a reader that does not keep up loses its oldest news, never slows the others."""

    def __init__(self) -> None:
        self._readers: dict[str, set[asyncio.Queue[News]]] = defaultdict(set)

    def publish(self, recipients: list[str], news: News) -> None:
        """Hand the news to every open reader of the recipients."""
        for person_id in recipients:
            for queue in self._readers.get(person_id, ()):
                if queue.full():
                    queue.get_nowait()
                queue.put_nowait(news)

    async def follow(self, person_id: str, idle_seconds: float) -> AsyncIterator[News | None]:
        """One person's news as it comes; None after each idle stretch, so that a lost reader is noticed."""
        queue: asyncio.Queue[News] = asyncio.Queue(WAITING)
        self._readers[person_id].add(queue)
        try:
            while True:
                news: News | None = None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(idle_seconds):
                        news = await queue.get()
                yield news
        finally:
            self._readers[person_id].discard(queue)
            if not self._readers[person_id]:
                del self._readers[person_id]
