"""The typed event stream of one turn: the same for text, browser, phone and monitor.

    turn_started (text | tool_started | tool_finished | approval_needed | effect)* (turn_ended | turn_failed)

A stream that simply stops was interrupted.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from mcp_servers.kit.effects import Effect

MAX_PROMPT_CHARACTERS = 8_000


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)


class TurnRequest(BaseModel):
    """What a client asks: the body of `POST /agent/process` and `POST /agent/turns`."""

    prompt: str = Field(description="What the caller said or typed.", examples=["Remind me to buy milk"])
    session_id: str | None = Field(default=None, description="The conversation's thread; a new one is made without it.")
    reset_thread: bool = False
    model: str | None = Field(default=None, description="A litellm model name; the default is a setting.")
    channel: Literal["text", "browser", "phone", "cli"] = "text"
    speculative: bool = False
    metadata: dict[str, JsonValue] = Field(default_factory=dict)


class TurnStarted(_Event):
    type: Literal["turn_started"] = "turn_started"
    turn_id: str
    thread_id: str
    model: str


class Text(_Event):
    """Words of the reply, as they come; concatenated they are the whole reply."""

    type: Literal["text"] = "text"
    text: str


class ToolStarted(_Event):
    type: Literal["tool_started"] = "tool_started"
    call_id: str
    tool: str
    title: str
    server: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class ToolFinished(_Event):
    type: Literal["tool_finished"] = "tool_finished"
    call_id: str
    tool: str
    title: str
    status: Literal["success", "failed", "timeout"]
    summary: str
    data: JsonValue = None
    duration_ms: float


class ApprovalNeeded(_Event):
    """A destructive tool waits for a yes: the turn ends, the next yes or no decides."""

    type: Literal["approval_needed"] = "approval_needed"
    approval_id: str
    tool: str
    title: str
    arguments: dict[str, Any]
    question: str


class EffectAsked(_Event):
    type: Literal["effect"] = "effect"
    server: str
    effect: Effect


class TurnEnded(_Event):
    type: Literal["turn_ended"] = "turn_ended"
    turn_id: str
    text: str
    duration_ms: float


class TurnFailed(_Event):
    """The turn could not finish; `message` may be shown and spoken."""

    type: Literal["turn_failed"] = "turn_failed"
    turn_id: str
    code: str
    message: str


TurnEvent = Annotated[
    TurnStarted | Text | ToolStarted | ToolFinished | ApprovalNeeded | EffectAsked | TurnEnded | TurnFailed,
    Field(discriminator="type"),
]
turn_event: TypeAdapter[TurnEvent] = TypeAdapter(TurnEvent)


class ToolCallView(BaseModel):
    """One tool call of a turn, as `POST /agent/process` reports it."""

    tool_name: str
    arguments: dict[str, Any]
    status: Literal["success", "failed", "timeout"]
    duration_ms: float
    summary: str


class ApprovalView(BaseModel):
    approval_id: str
    question: str
    tool: str
    arguments: dict[str, Any]


class TurnReply(BaseModel):
    """The answer of `POST /agent/process`."""

    response: str
    tool_calls: list[ToolCallView] = Field(default_factory=list)
    approval: ApprovalView | None = None
    transfer_marker: str | None = None
    processing_time_ms: float
    session_id: str


class Hints(BaseModel):
    """MCP tool annotations, with the specification's defaults."""

    model_config = ConfigDict(frozen=True)

    read_only: bool = False
    destructive: bool = True
    idempotent: bool = False
    open_world: bool = True


class ToolView(BaseModel):
    """One tool of the model's catalogue."""

    model_config = ConfigDict(frozen=True)

    name: str
    server: str
    title: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None = None
    hints: Hints


class ServerHealth(BaseModel):
    status: Literal["up", "down"]
    tools: int
    detail: str | None = None


class CatalogView(BaseModel):
    """The answer of `GET /agent/tools`."""

    tools: list[ToolView]
    servers: dict[str, ServerHealth]


class ToolReply(BaseModel):
    """The answer of `POST /agent/tools/{name}`."""

    status: Literal["success", "failed", "timeout"]
    text: str
    data: JsonValue = None
    duration_ms: float


class ErrorBody(BaseModel):
    """Every error over HTTP."""

    code: str
    message: str
