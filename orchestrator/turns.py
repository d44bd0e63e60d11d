"""Runs one turn: from what was said to a stream of typed events, whatever happens on the way."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

import anyio
from langchain_core.messages import AIMessage, AnyMessage

from orchestrator.approvals import Approval, Approvals, reading_of
from orchestrator.catalog import ToolCatalog, ToolOutcome
from orchestrator.errors import PlatformError
from orchestrator.graph import Graph, TurnContext
from orchestrator.identity.people import Person
from orchestrator.models.chat import ModelFailed, ToolRequest
from orchestrator.protocol import (
    MAX_PROMPT_CHARACTERS,
    Text,
    TurnEnded,
    TurnEvent,
    TurnFailed,
    TurnRequest,
    TurnStarted,
)
from orchestrator.threads import Threads, human
from orchestrator.toolwork import ToolWork, tool_answer

logger = logging.getLogger(__name__)

LEFT_ALONE = "All right, I left it as it is."
STILL_WORKING = "I'm still working on it. "
THREAD_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class TurnLimits:
    """How long a turn may take, in seconds."""

    first_word: float
    whole: float


@dataclass
class _Turn:
    """One turn in progress."""

    id: str
    thread_id: str
    key: str
    prompt: str
    context: TurnContext
    started: float
    queue: "asyncio.Queue[TurnEvent | None]"


class TurnRunner:
    """Turns of every channel; the graph does the thinking, this keeps it honest about time and interruptions."""

    def __init__(
        self, graph: Graph, catalog: ToolCatalog, approvals: Approvals, default_model: str, limits: TurnLimits
    ) -> None:
        self.threads = Threads(graph)
        self._graph = graph
        self._catalog = catalog
        self._approvals = approvals
        self._default_model = default_model
        self._limits = limits
        self._tasks: asyncio.TaskGroup | None = None

    async def run_forever(self) -> None:
        """Own the tasks of turns and of tool calls that outlive them, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            await asyncio.Event().wait()

    async def run(self, request: TurnRequest, caller: Person) -> AsyncGenerator[TurnEvent, None]:
        """The turn's events; closing the iterator interrupts it. Raises PlatformError for a request that cannot run."""
        prompt, thread_id = _checked(request)
        key = self.threads.key(caller.id, thread_id)
        lock = self.threads.lock(key)
        if lock.locked():
            raise PlatformError("busy", "The last turn of this conversation is still running.", 409)
        async with lock:
            turn = self._begin(request, caller, prompt, thread_id, key)
            yield TurnStarted(turn_id=turn.id, thread_id=thread_id, model=turn.context.model)
            if request.reset_thread:
                await self.threads.forget(key)
            task = self._owner().create_task(self._work(turn, caller))
            try:
                async with aclosing(self._events(turn, task)) as events:
                    async for event in events:
                        yield event
            finally:
                await self._end(turn, task)

    def _begin(self, request: TurnRequest, caller: Person, prompt: str, thread_id: str, key: str) -> _Turn:
        turn_id = uuid4().hex
        queue: asyncio.Queue[TurnEvent | None] = asyncio.Queue()
        tasks = self._owner()
        work = ToolWork(
            self._catalog,
            self._approvals,
            caller,
            thread_id,
            queue.put_nowait,
            lambda call, asked: self.threads.begin(key, tasks, call, asked),
        )
        context = TurnContext(
            turn_id=turn_id,
            model=request.model or self._default_model,
            channel=request.channel,
            caller_name=caller.first_name,
            timezone=caller.timezone,
            now=datetime.now(ZoneInfo(caller.timezone)),
            emit=queue.put_nowait,
            work=work,
        )
        return _Turn(turn_id, thread_id, key, prompt, context, time.perf_counter(), queue)

    def _owner(self) -> asyncio.TaskGroup:
        if self._tasks is None:
            raise PlatformError("starting", "The platform is still starting. Please try again in a moment.", 503)
        return self._tasks

    async def _events(self, turn: _Turn, task: asyncio.Task[None]) -> AsyncGenerator[TurnEvent, None]:
        """What the work emits; a word when nothing has come for long, and an end when it takes too long."""
        deadline = turn.started + self._limits.whole
        quiet_until = turn.started + self._limits.first_word
        reassured = False
        while True:
            limit = deadline if reassured else min(deadline, quiet_until)
            try:
                async with asyncio.timeout(max(0.0, limit - time.perf_counter())):
                    event = await turn.queue.get()
            except TimeoutError:
                if time.perf_counter() >= deadline:
                    yield self._failed(turn, "timeout", "Sorry, that took too long, so I stopped. Please try again.")
                    return
                reassured = True
                yield Text(text=STILL_WORKING)
                continue
            if event is None:
                return
            reassured = reassured or isinstance(event, Text)
            yield event

    async def _work(self, turn: _Turn, caller: Person) -> None:
        """Do the turn and put its events into the queue; every way out but cancellation ends the stream."""
        try:
            await self._think(turn, caller)
            text = "".join(turn.context.spoken).strip()
            event: TurnEvent = TurnEnded(turn_id=turn.id, text=text, duration_ms=_since(turn))
        except ModelFailed as error:
            event = self._failed(turn, "model_failed", str(error))
        except Exception:
            logger.exception("Turn %s failed", turn.id)
            event = self._failed(turn, "agent_failed", "Sorry, something went wrong on our side. Please try again.")
        turn.queue.put_nowait(event)
        turn.queue.put_nowait(None)

    async def _think(self, turn: _Turn, caller: Person) -> None:
        await self.threads.repair(turn.key)
        said: list[AnyMessage] = [human(turn.prompt, turn.id)]
        reading, approval = await self._decision(turn, caller)
        if approval is not None and reading == "no":
            turn.context.say(LEFT_ALONE)
            reply = AIMessage(content=LEFT_ALONE, additional_kwargs={"turn_id": turn.id})
            await self.threads.append(turn.key, *said, reply)
            return
        if approval is not None:
            call_id = f"approved_{approval.id}"
            turn.context.approved = frozenset({call_id})
            call = {"name": approval.tool, "args": approval.arguments, "id": call_id, "type": "tool_call"}
            said.append(AIMessage(content="", tool_calls=[call], additional_kwargs={"turn_id": turn.id}))
        await self._graph.ainvoke({"messages": said}, self.threads.config(turn.key), context=turn.context)

    async def _decision(self, turn: _Turn, caller: Person) -> tuple[str | None, Approval | None]:
        """A yes or no to what is open in this thread; anything else withdraws the question."""
        waiting = await self._approvals.waiting(caller.id, turn.thread_id)
        if not waiting:
            return None, None
        reading = reading_of(turn.prompt)
        if reading is None:
            await self._approvals.withdraw(caller.id, turn.thread_id)
            return None, None
        return reading, await self._approvals.decide(waiting[0].id, caller.id, reading == "yes")

    async def _end(self, turn: _Turn, task: asyncio.Task[None]) -> None:
        """Stop what still runs, and store what an interrupted turn had said; a cancelled caller does not hurry this."""
        interrupted = not task.done()
        task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait({task})
            if interrupted:
                spoken = "".join(turn.context.spoken).strip()
                await self.threads.keep_interrupted(turn.key, turn.id, turn.prompt, spoken)

    async def record_decision(self, approval: Approval, outcome: ToolOutcome | None) -> None:
        """Tell the thread what became of a question that was answered outside of a turn; None for a no."""
        if not approval.thread_id:
            return
        turn_id, key = uuid4().hex, self.threads.key(approval.person_id, approval.thread_id)
        async with self.threads.lock(key):
            await self.threads.repair(key)
            if outcome is None:
                said = [human("No.", turn_id), AIMessage(content=LEFT_ALONE, additional_kwargs={"turn_id": turn_id})]
                await self.threads.append(key, *said)
                return
            request = ToolRequest(f"approved_{approval.id}", approval.tool, approval.arguments)
            call = {"name": request.tool, "args": request.arguments, "id": request.call_id, "type": "tool_call"}
            asked = AIMessage(content="", tool_calls=[call], additional_kwargs={"turn_id": turn_id})
            answer = tool_answer(request, outcome.text, outcome.data, outcome.failed)
            reply = AIMessage(content=outcome.text, additional_kwargs={"turn_id": turn_id})
            await self.threads.append(key, human("Yes.", turn_id), asked, answer, reply)

    def _failed(self, turn: _Turn, code: str, message: str) -> TurnFailed:
        return TurnFailed(turn_id=turn.id, code=code, message=message)


def _since(turn: _Turn) -> float:
    return (time.perf_counter() - turn.started) * 1000


def _checked(request: TurnRequest) -> tuple[str, str]:
    """The prompt without control characters, and the thread's id. Raises PlatformError."""
    prompt = CONTROL.sub(" ", request.prompt).strip()
    if not prompt:
        raise PlatformError("invalid", "prompt: it is empty; say or type something.", 422)
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        text = f"prompt: {len(prompt)} characters came; at most {MAX_PROMPT_CHARACTERS} are accepted."
        raise PlatformError("too_long", text, 413)
    if request.speculative:
        raise PlatformError("invalid", "speculative: turns on a partial transcript are not served yet.", 422)
    thread_id = request.session_id or uuid4().hex
    if not THREAD_ID.fullmatch(thread_id):
        raise PlatformError("invalid", "session_id: up to 64 letters, digits, hyphens or underscores.", 422)
    return prompt, thread_id
