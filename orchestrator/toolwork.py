"""The tool calls of one turn: a yes first where they destroy, sent once, told to the client, answered to the model."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from langchain_core.messages import ToolMessage

from orchestrator.approvals import Approvals
from orchestrator.catalog import ToolCatalog, ToolOutcome, UnknownTool
from orchestrator.identity.people import Person
from orchestrator.models.chat import ToolRequest
from orchestrator.protocol import (
    ApprovalNeeded,
    EffectAsked,
    ToolCallView,
    ToolFinished,
    ToolStarted,
    ToolView,
    TurnEvent,
)

WAITING = "This waits for the caller's yes; it has not been done."
ONE_AT_A_TIME = "Not done: another action of this turn waits for the caller's yes first."
Keep = Callable[[Coroutine[Any, Any, ToolOutcome], ToolRequest], asyncio.Task[ToolOutcome]]


class ToolWork:
    """What one turn does with tools; `question` is set once something waits for a yes."""

    def __init__(
        self,
        catalog: ToolCatalog,
        approvals: Approvals,
        caller: Person,
        thread_id: str,
        emit: Callable[[TurnEvent], None],
        keep: Keep,
    ) -> None:
        self.question: str | None = None
        self.approval: ApprovalNeeded | None = None
        self.calls: list[ToolCallView] = []
        self._catalog = catalog
        self._approvals = approvals
        self._caller = caller
        self._thread_id = thread_id
        self._emit = emit
        self._keep = keep

    async def answer(self, request: ToolRequest, approved: bool) -> ToolMessage:
        """Run one call, or put it up for approval; the answer goes into the thread."""
        tool = self._catalog.known(request.tool)
        if tool is None:
            return tool_answer(request, f"There is no tool {request.tool}.", failed=True)
        if request.malformed is not None:
            return tool_answer(request, "The arguments were not a JSON object. Send them again.", failed=True)
        if self.question is not None:
            return tool_answer(request, ONE_AT_A_TIME, failed=True)
        if tool.hints.destructive and not tool.hints.read_only and not approved:
            return await self._ask_first(tool, request)
        outcome = await self._run(tool, request)
        return tool_answer(request, outcome.text, outcome.data, outcome.failed)

    async def _ask_first(self, tool: ToolView, request: ToolRequest) -> ToolMessage:
        question = question_for(tool, request.arguments)
        approval_id = await self._approvals.ask(
            self._caller.id, self._thread_id, tool.name, request.arguments, question
        )
        self.question = question
        self.approval = ApprovalNeeded(
            approval_id=approval_id,
            tool=tool.name,
            title=tool.title,
            arguments=request.arguments,
            question=question,
        )
        self._emit(self.approval)
        return tool_answer(request, WAITING)

    async def _run(self, tool: ToolView, request: ToolRequest) -> ToolOutcome:
        shown = visible_arguments(tool, request.arguments)
        self._emit(
            ToolStarted(call_id=request.call_id, tool=tool.name, title=tool.title, server=tool.server, arguments=shown)
        )
        key = f"{self._thread_id}/{request.call_id}"
        try:
            call = self._catalog.call(tool.name, request.arguments, self._caller, key)
            outcome = await asyncio.shield(self._keep(call, request))
        except UnknownTool:
            outcome = ToolOutcome("failed", f"{tool.title} is not available any more.")
        self._report(tool, request, outcome)
        return outcome

    def _report(self, tool: ToolView, request: ToolRequest, outcome: ToolOutcome) -> None:
        finished = ToolFinished(
            call_id=request.call_id,
            tool=tool.name,
            title=tool.title,
            status=outcome.status,
            summary=outcome.text,
            data=outcome.data,
            duration_ms=outcome.duration_ms,
        )
        self._emit(finished)
        view = ToolCallView(
            tool_name=tool.name,
            arguments=visible_arguments(tool, request.arguments),
            status=outcome.status,
            duration_ms=outcome.duration_ms,
            summary=outcome.text,
        )
        self.calls.append(view)
        if outcome.effect is not None:
            self._emit(EffectAsked(server=tool.server, effect=outcome.effect))


def tool_answer(request: ToolRequest, text: str, data: Any = None, failed: bool = False) -> ToolMessage:
    """A tool's answer as the thread keeps it: the sentence, and the data for follow-ups."""
    return ToolMessage(
        content=text,
        tool_call_id=request.call_id,
        name=request.tool,
        status="error" if failed else "success",
        additional_kwargs={"tool": request.tool, "arguments": request.arguments, "data": data},
    )


def visible_arguments(tool: ToolView, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments without those that the tool's schema marks as sensitive."""
    properties = tool.input_schema.get("properties", {})
    return {name: value for name, value in arguments.items() if not properties.get(name, {}).get("sensitive")}


def question_for(tool: ToolView, arguments: dict[str, Any]) -> str:
    """What the caller is asked before a tool that destroys: the tool's title and what it would act on."""
    shown = ", ".join(f"“{value}”" for value in visible_arguments(tool, arguments).values() if isinstance(value, str))
    action = tool.title[:1].lower() + tool.title[1:]
    return f"Shall I {action}: {shown}? Please say yes or no." if shown else f"Shall I {action}? Please say yes or no."
