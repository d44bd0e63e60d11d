"""What a model is asked and what it answers, whoever made it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from langchain_core.messages import AnyMessage

from orchestrator.protocol import ToolView


@dataclass(frozen=True)
class Prompt:
    """One request: what was said so far, the tools at hand, and where and when the caller is."""

    system: str
    messages: Sequence[AnyMessage]
    tools: Sequence[ToolView]
    now: datetime
    timezone: str
    caller_name: str = ""


@dataclass(frozen=True)
class ToolRequest:
    """A tool that the model wants called; `malformed` holds arguments that were not a JSON object."""

    call_id: str
    tool: str
    arguments: dict[str, Any]
    malformed: str | None = None


@dataclass(frozen=True)
class ModelReply:
    """The end of a stream: the whole text, the calls asked for, and what it cost in tokens."""

    text: str
    calls: list[ToolRequest] = field(default_factory=list)
    tokens: int = 0


class ModelFailed(Exception):
    """The model gave no usable answer; the sentence may be shown and spoken."""
