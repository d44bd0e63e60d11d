"""The conversation as a graph: the model speaks or asks for tools, tools answer, until the model has nothing to ask.

It knows no domain. What a turn needs besides the thread's messages comes with the run, and is not stored.
"""

import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime

from orchestrator.catalog import ToolCatalog
from orchestrator.models.chat import ModelFailed, ModelReply, Prompt, ToolRequest
from orchestrator.models.loading import Models
from orchestrator.prompt import compose
from orchestrator.protocol import Text, ToolView, TurnEvent
from orchestrator.toolwork import ToolWork

MAX_TOOL_ROUNDS = 8
TOO_MANY_ROUNDS = "I tried several times and could not finish that. Could you say it another way?"
KEPT_MESSAGES = 40


class TurnState(TypedDict):
    """What a thread keeps: its messages."""

    messages: Annotated[list[AnyMessage], add_messages]


@dataclass
class TurnContext:
    """What one run knows and does not store."""

    turn_id: str
    model: str
    channel: str
    caller_name: str
    timezone: str
    now: datetime
    emit: Callable[[TurnEvent], None]
    work: ToolWork
    approved: frozenset[str] = frozenset()
    rounds: int = 0
    spoken: list[str] = field(default_factory=list)

    def say(self, words: str) -> None:
        """Stream words of the reply to the client."""
        self.spoken.append(words)
        self.emit(Text(text=words))


Graph = CompiledStateGraph[TurnState, TurnContext, TurnState, TurnState]


def build_graph(models: Models, catalog: ToolCatalog, checkpointer: BaseCheckpointSaver[Any]) -> Graph:
    """Compile the graph: `model` and `tools`, with a durable thread behind them."""

    async def ask_model(state: TurnState, runtime: Runtime[TurnContext]) -> dict[str, list[AnyMessage]]:
        context = runtime.context
        if context.rounds >= MAX_TOOL_ROUNDS:
            context.say(TOO_MANY_ROUNDS)
            return {"messages": [_reply(context, TOO_MANY_ROUNDS, [])]}
        prompt = _prompt(context, state["messages"], catalog)
        loaded = await models.get()
        async with aclosing(loaded.stream(context.model, prompt)) as parts:
            async for part in parts:
                if isinstance(part, ModelReply):
                    return {"messages": [_reply(context, part.text, part.calls)]}
                context.say(part)
        raise ModelFailed("Sorry, the language model broke off in the middle.")

    async def use_tools(state: TurnState, runtime: Runtime[TurnContext]) -> dict[str, list[AnyMessage]]:
        context = runtime.context
        context.rounds += 1
        asked = state["messages"][-1]
        calls = asked.tool_calls if isinstance(asked, AIMessage) else []
        answers: list[AnyMessage] = []
        malformed = asked.additional_kwargs.get("malformed", {})
        for call in calls:
            request = ToolRequest(call["id"] or "", call["name"], call["args"], malformed.get(call["id"]))
            answers.append(await context.work.answer(request, approved=request.call_id in context.approved))
        if context.work.question is not None:
            context.say(context.work.question)
            answers.append(_reply(context, context.work.question, []))
        return {"messages": answers}

    builder: StateGraph[TurnState, TurnContext, TurnState, TurnState] = StateGraph(
        TurnState, context_schema=TurnContext
    )
    builder.add_node("model", ask_model)
    builder.add_node("tools", use_tools)
    builder.add_conditional_edges(START, _wants_tools, {True: "tools", False: "model"})
    builder.add_conditional_edges("model", _wants_tools, {True: "tools", False: END})
    builder.add_conditional_edges("tools", _is_answered, {True: END, False: "model"})
    return builder.compile(checkpointer=checkpointer)


def _wants_tools(state: TurnState) -> bool:
    last = state["messages"][-1] if state["messages"] else None
    return isinstance(last, AIMessage) and bool(last.tool_calls)


def _is_answered(state: TurnState) -> bool:
    return isinstance(state["messages"][-1], AIMessage)


def _prompt(context: TurnContext, messages: list[AnyMessage], catalog: ToolCatalog) -> Prompt:
    missing = [catalog.servers[name].link.title for name in catalog.missing()]
    instructions = catalog.instructions()
    system = compose(context.caller_name, context.now, context.timezone, context.channel, instructions, missing)
    tools: list[ToolView] = catalog.tools()
    return Prompt(system, _recent(messages), tools, context.now, context.timezone, context.caller_name)


def _recent(messages: list[AnyMessage]) -> list[AnyMessage]:
    """The newest messages, beginning with something that the person said."""
    recent = messages[-KEPT_MESSAGES:]
    first = next((i for i, message in enumerate(recent) if message.type == "human"), 0)
    return recent[first:]


def _reply(context: TurnContext, text: str, calls: list[ToolRequest]) -> AIMessage:
    return AIMessage(
        content=text,
        id=f"{context.turn_id}-{time.monotonic_ns()}",
        tool_calls=[{"name": c.tool, "args": c.arguments, "id": c.call_id, "type": "tool_call"} for c in calls],
        additional_kwargs={
            "turn_id": context.turn_id,
            "malformed": {call.call_id: call.malformed for call in calls if call.malformed is not None},
        },
    )
