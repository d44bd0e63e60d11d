"""`GET /agent/feed`: live news for the signed-in person."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import APIRouter

from orchestrator.feed import Feed
from orchestrator.platform import CurrentPerson, CurrentPlatform
from orchestrator.routes.streams import EventStream

router = APIRouter(prefix="/agent", tags=["feed"])
IDLE_SECONDS = 15.0


@router.get("/feed", response_class=EventStream)
async def follow_feed(platform: CurrentPlatform, caller: CurrentPerson) -> EventStream:
    """News as server-sent events: `id`, `event` (the kind) and JSON `data`."""
    return EventStream(_frames(platform.feed, caller.id))


async def _frames(feed: Feed, person_id: str) -> AsyncGenerator[str, None]:
    yield ": following\n\n"
    async with aclosing(feed.follow(person_id, IDLE_SECONDS)) as stream:
        async for news in stream:
            if news is None:
                yield ": waiting\n\n"
            else:
                data = json.dumps({**news.payload, "at": news.at})
                yield f"id: {news.id}\nevent: {news.kind}\ndata: {data}\n\n"
