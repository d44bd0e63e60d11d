"""`POST /agent/process` and `POST /agent/turns`: one turn, as one answer or as events while they happen."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from fastapi import APIRouter

from mcp_servers.kit.effects import Handoff
from orchestrator.errors import PlatformError
from orchestrator.platform import CurrentPerson, CurrentPlatform
from orchestrator.protocol import (
    ApprovalNeeded,
    ApprovalView,
    EffectAsked,
    Text,
    ToolCallView,
    ToolFinished,
    ToolStarted,
    TurnEvent,
    TurnFailed,
    TurnReply,
    TurnRequest,
    TurnStarted,
)
from orchestrator.routes.streams import EventStream

router = APIRouter(prefix="/agent", tags=["turns"])
STATUS_OF = {"timeout": 504, "model_failed": 502}


@router.post("/turns", response_class=EventStream)
async def stream_turn(request: TurnRequest, platform: CurrentPlatform, caller: CurrentPerson) -> EventStream:
    """Run a turn and stream its `TurnEvent`s; closing the connection interrupts it."""
    events = platform.runner.run(request, caller)
    first = await anext(events)
    return EventStream(_frames(first, events))


async def _frames(first: TurnEvent, events: AsyncGenerator[TurnEvent, None]) -> AsyncGenerator[str, None]:
    async with aclosing(events):
        yield _frame(first)
        async for event in events:
            yield _frame(event)


def _frame(event: TurnEvent) -> str:
    return f"event: {event.type}\ndata: {event.model_dump_json()}\n\n"


@router.post("/process")
async def process_turn(request: TurnRequest, platform: CurrentPlatform, caller: CurrentPerson) -> TurnReply:
    """Run a turn and answer with what came of it."""
    started = time.perf_counter()
    async with aclosing(platform.runner.run(request, caller)) as events:
        reply = await _collect(events)
    reply.processing_time_ms = (time.perf_counter() - started) * 1000
    return reply


async def _collect(events: AsyncIterator[TurnEvent]) -> TurnReply:
    reply = TurnReply(response="", processing_time_ms=0, session_id="")
    arguments: dict[str, dict[str, object]] = {}
    async for event in events:
        match event:
            case TurnStarted():
                reply.session_id = event.thread_id
            case Text():
                reply.response += event.text
            case ToolStarted():
                arguments[event.call_id] = event.arguments
            case ToolFinished():
                reply.tool_calls.append(_call(event, arguments.get(event.call_id, {})))
            case ApprovalNeeded():
                reply.approval = ApprovalView(**event.model_dump(include=set(ApprovalView.model_fields)))
            case EffectAsked(effect=Handoff() as handoff):
                reply.transfer_marker = (
                    f"TRANSFER_INITIATED:{handoff.extension or ''}|{handoff.department}|{handoff.reason}"
                )
            case TurnFailed():
                raise PlatformError(event.code, event.message, STATUS_OF.get(event.code, 500))
    reply.response = reply.response.strip()
    return reply


def _call(event: ToolFinished, arguments: dict[str, object]) -> ToolCallView:
    return ToolCallView(
        tool_name=event.tool,
        arguments=arguments,
        status=event.status,
        duration_ms=event.duration_ms,
        summary=event.summary,
    )
