"""A conversation as it was: what was said, what was heard, and the words that its recogniser should expect."""

from fastapi import APIRouter
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from pydantic import BaseModel, Field, JsonValue

from orchestrator.errors import PlatformError
from orchestrator.platform import CurrentPerson, CurrentPlatform

router = APIRouter(prefix="/agent", tags=["threads"])


class Heard(BaseModel):
    """What the person heard of a turn; empty when not a word was played."""

    turn_id: str
    text: str = Field(max_length=20_000)


class ThreadMessage(BaseModel):
    """One line of a conversation."""

    role: str
    content: str
    turn_id: str | None = None
    tool: str | None = None
    data: JsonValue = None
    interrupted: bool = False


@router.post("/threads/{thread_id}/heard", status_code=204)
async def heard(thread_id: str, body: Heard, platform: CurrentPlatform, caller: CurrentPerson) -> None:
    """Cut what the assistant said in a turn to what was heard of it."""
    threads = platform.runner.threads
    key = threads.key(caller.id, thread_id)
    async with threads.lock(key):
        if not await threads.heard(key, body.turn_id, body.text):
            raise PlatformError("not_found", "There is no such turn in this conversation.", 404)


@router.get("/threads/{thread_id}")
async def read_thread(
    thread_id: str, platform: CurrentPlatform, caller: CurrentPerson
) -> dict[str, list[ThreadMessage]]:
    """The conversation so far, oldest first."""
    threads = platform.runner.threads
    messages = await threads.messages(threads.key(caller.id, thread_id))
    if not messages:
        raise PlatformError("not_found", "There is no such conversation.", 404)
    lines: list[ThreadMessage] = []
    for message in messages:
        extra = message.additional_kwargs
        shared = {"content": message.text, "turn_id": extra.get("turn_id")}
        match message:
            case HumanMessage():
                lines.append(ThreadMessage(role="user", **shared))
            case ToolMessage():
                lines.append(ThreadMessage(role="tool", tool=extra.get("tool"), data=extra.get("data"), **shared))
            case AIMessage() if message.text:
                lines.append(ThreadMessage(role="assistant", interrupted=bool(extra.get("interrupted")), **shared))
    return {"messages": lines}


@router.get("/vocabulary")
async def vocabulary(platform: CurrentPlatform, caller: CurrentPerson) -> dict[str, list[str]]:
    """Words that the recogniser should expect of this person: the tools' things, and the names of their own."""
    return {"words": await platform.vocabulary.words(caller)}
