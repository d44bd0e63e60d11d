"""A conversation's thread, kept whole: every tool call has an answer, and what was said is what was heard."""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from orchestrator.catalog import ToolOutcome
from orchestrator.graph import Graph
from orchestrator.models.chat import ToolRequest
from orchestrator.toolwork import tool_answer

LOST = "This was interrupted; it is not known whether it was done."
TOOL_GRACE_SECONDS = 10.0


class Threads:
    """All threads of the graph; a thread belongs to one person."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._begun: dict[str, dict[str, asyncio.Task[ToolOutcome]]] = defaultdict(dict)

    def lock(self, key: str) -> asyncio.Lock:
        """One turn at a time in a thread."""
        return self._locks.setdefault(key, asyncio.Lock())

    @staticmethod
    def key(person_id: str, thread_id: str) -> str:
        """Where the thread is stored: under its owner, so that another person's id leads nowhere."""
        return f"{person_id}/{thread_id}"

    @staticmethod
    def config(key: str) -> RunnableConfig:
        return {"configurable": {"thread_id": key}, "recursion_limit": 40}

    def begin(
        self, key: str, tasks: asyncio.TaskGroup, call: Coroutine[Any, Any, ToolOutcome], request: ToolRequest
    ) -> asyncio.Task[ToolOutcome]:
        """Start a tool call that outlives its turn: once begun it finishes, and its result is kept for the thread."""
        task = tasks.create_task(call)
        self._begun[key][request.call_id] = task
        return task

    async def messages(self, key: str) -> list[AnyMessage]:
        state = await self.graph.aget_state(self.config(key))
        return list(state.values.get("messages", []))

    async def repair(self, key: str) -> list[AnyMessage]:
        """Give every open tool call its answer, the real one where the call has finished meanwhile."""
        messages = await self.messages(key)
        begun = self._begun.pop(key, {})
        answered = {message.tool_call_id for message in messages if isinstance(message, ToolMessage)}
        repaired: list[AnyMessage] = []
        for message in messages:
            repaired.append(message)
            for call in message.tool_calls if isinstance(message, AIMessage) else []:
                if call["id"] not in answered:
                    request = ToolRequest(call["id"] or "", call["name"], call["args"])
                    repaired.append(await self._late_answer(request, begun))
        if len(repaired) != len(messages):
            await self._replace(key, repaired)
        return repaired

    async def _late_answer(self, request: ToolRequest, begun: dict[str, asyncio.Task[ToolOutcome]]) -> ToolMessage:
        task = begun.get(request.call_id)
        if task is not None:
            done, _ = await asyncio.wait({task}, timeout=TOOL_GRACE_SECONDS)
            if done and not task.cancelled() and task.exception() is None:
                outcome = task.result()
                return tool_answer(request, outcome.text, outcome.data, outcome.failed)
        return tool_answer(request, LOST, failed=True)

    async def _replace(self, key: str, new: list[AnyMessage]) -> None:
        everything = RemoveMessage(id=REMOVE_ALL_MESSAGES)
        await self.graph.aupdate_state(self.config(key), {"messages": [everything, *new]}, as_node="model")

    async def append(self, key: str, *messages: AnyMessage) -> None:
        """Add messages without running the graph."""
        await self.graph.aupdate_state(self.config(key), {"messages": list(messages)}, as_node="model")

    async def keep_interrupted(self, key: str, turn_id: str, prompt: str, spoken: str) -> None:
        """Store what an interrupted turn had asked and said so far; `heard` may shorten it."""
        messages = await self.messages(key)
        missing: list[AnyMessage] = []
        if not any(_turn_of(message) == turn_id for message in messages):
            missing.append(human(prompt, turn_id))
        if spoken and not any(_turn_of(m) == turn_id and isinstance(m, AIMessage) and m.text for m in messages):
            kwargs = {"turn_id": turn_id, "interrupted": True}
            missing.append(AIMessage(content=spoken, id=f"{turn_id}-{uuid4().hex[:8]}", additional_kwargs=kwargs))
        if missing:
            await self.append(key, *missing)

    async def heard(self, key: str, turn_id: str, text: str) -> bool:
        """Cut what the assistant said in a turn to what was heard; False where there is no such turn."""
        messages = await self.messages(key)
        said = [m for m in messages if _turn_of(m) == turn_id and isinstance(m, AIMessage) and m.text]
        if not said:
            return any(_turn_of(message) == turn_id for message in messages)
        last = said[-1]
        if text.strip() != last.text.strip():
            kwargs = {**last.additional_kwargs, "interrupted": True}
            heard = text.strip() or "(interrupted before a word was heard)"
            await self.append(key, last.model_copy(update={"content": heard, "additional_kwargs": kwargs}))
        return True

    async def forget(self, key: str) -> None:
        """Begin the thread anew."""
        saver = self.graph.checkpointer
        if saver is not None and not isinstance(saver, bool):
            await saver.adelete_thread(key)
        self._begun.pop(key, None)


def human(prompt: str, turn_id: str) -> HumanMessage:
    """What the person said in a turn."""
    return HumanMessage(content=prompt, id=f"{turn_id}-said", additional_kwargs={"turn_id": turn_id})


def _turn_of(message: AnyMessage) -> str | None:
    turn_id = message.additional_kwargs.get("turn_id")
    return str(turn_id) if turn_id else None
