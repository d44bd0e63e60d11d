"""Opens any model by its litellm name; the only file that imports litellm.

The embedded model is registered as a litellm custom provider, so the graph sees one interface. litellm's tool format
loses examples, hints and structured results, so the typed prompt reaches the embedded model beside it.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextvars import ContextVar
from typing import Any
from uuid import uuid4

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage, convert_to_openai_messages
from openai import OpenAIError
from pydantic import JsonValue

from orchestrator.embedded.model import Call, EmbeddedModel, Message, Say, Situation
from orchestrator.models.chat import ModelFailed, ModelReply, Prompt, ToolRequest
from orchestrator.protocol import ToolView

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import litellm
from litellm.llms.custom_llm import CustomLLM
from litellm.types.utils import GenericStreamingChunk

EMBEDDED = "embedded"
EMBEDDED_MODEL = f"{EMBEDDED}/local"
REQUEST_TIMEOUT_SECONDS = 30.0

_prompt: ContextVar[Prompt] = ContextVar("prompt")


class EmbeddedProvider(CustomLLM):
    """litellm's door to the local model."""

    def __init__(self, model: EmbeddedModel) -> None:
        super().__init__()
        self.model = model

    async def astreaming(self, *args: Any, **kwargs: Any) -> AsyncIterator[GenericStreamingChunk]:  # type: ignore[override]  # litellm declares it async def, and iterates it
        """The reply as chunks: one text, or one chunk for each tool call."""
        reply = await asyncio.to_thread(self.model.reply, situation_of(_prompt.get()))
        if isinstance(reply, Say):
            yield _chunk(text=reply.text, finish="stop")
            return
        for index, call in enumerate(reply):
            yield _chunk(call=call, index=index, finish="tool_calls" if index == len(reply) - 1 else "")


def _chunk(text: str = "", call: Call | None = None, index: int = 0, finish: str = "") -> GenericStreamingChunk:
    tool_use: Any = None
    if call is not None:
        function = {"name": call.tool, "arguments": json.dumps(call.arguments)}
        tool_use = {"id": f"call_{uuid4().hex[:12]}", "type": "function", "function": function, "index": index}
    return {
        "text": text,
        "tool_use": tool_use,
        "is_finished": bool(finish),
        "finish_reason": finish,
        "usage": None,
        "index": 0,
    }


class LiteLLM:
    """Chat models of every vendor, and the embedded one, as one stream of text that ends in a ModelReply."""

    def __init__(self, embedded: EmbeddedModel) -> None:
        litellm.custom_provider_map = [{"provider": EMBEDDED, "custom_handler": EmbeddedProvider(embedded)}]
        litellm.utils.custom_llm_setup()
        litellm.suppress_debug_info = True
        litellm.telemetry = False

    async def stream(self, model: str, prompt: Prompt) -> AsyncGenerator[str | ModelReply, None]:
        """Words as they come, then the whole reply. Raises ModelFailed with a sentence for the caller."""
        name = EMBEDDED_MODEL if model == EMBEDDED else model
        token = _prompt.set(prompt)
        try:
            response = await litellm.acompletion(
                model=name,
                messages=[{"role": "system", "content": prompt.system}, *convert_to_openai_messages(prompt.messages)],
                tools=[_openai_tool(tool) for tool in prompt.tools] or None,
                stream=True,
                timeout=REQUEST_TIMEOUT_SECONDS,
            )
            gathered = _Gathered()
            async for chunk in response:
                if words := gathered.add(chunk):
                    yield words
        except OpenAIError as error:
            raise ModelFailed("Sorry, the language model cannot be reached right now.") from error
        finally:
            _prompt.reset(token)
        yield gathered.reply()


class _Gathered:
    """Puts streamed deltas together: tool calls come in pieces, told apart by index."""

    def __init__(self) -> None:
        self.text = ""
        self.calls: dict[int, dict[str, str]] = {}
        self.tokens = 0

    def add(self, chunk: Any) -> str:
        usage = getattr(chunk, "usage", None)
        self.tokens = usage.total_tokens if usage else self.tokens
        if not chunk.choices:
            return ""
        delta = chunk.choices[0].delta
        for piece in delta.tool_calls or []:
            call = self.calls.setdefault(piece.index or 0, {"id": "", "name": "", "arguments": ""})
            call["id"] = call["id"] or piece.id or ""
            call["name"] += piece.function.name or ""
            call["arguments"] += piece.function.arguments or ""
        words = delta.content or ""
        self.text += words
        return words

    def reply(self) -> ModelReply:
        return ModelReply(self.text, [_request(call) for _, call in sorted(self.calls.items())], self.tokens)


def _request(call: dict[str, str]) -> ToolRequest:
    call_id = call["id"] or f"call_{uuid4().hex[:12]}"
    try:
        arguments = json.loads(call["arguments"] or "{}")
    except json.JSONDecodeError:
        return ToolRequest(call_id, call["name"], {}, malformed=call["arguments"])
    if not isinstance(arguments, dict):
        return ToolRequest(call_id, call["name"], {}, malformed=call["arguments"])
    return ToolRequest(call_id, call["name"], arguments)


def _openai_tool(tool: ToolView) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.input_schema}
    return {"type": "function", "function": function}


def situation_of(prompt: Prompt) -> Situation:
    """The prompt as the embedded model reads it, with the structured results that litellm would drop."""
    messages = [message for each in prompt.messages for message in _embedded_messages(each)]
    return Situation(prompt.tools, messages, prompt.now, prompt.timezone, prompt.caller_name)


def _embedded_messages(message: AnyMessage) -> list[Message]:
    match message:
        case HumanMessage():
            return [Message("user", message.text)]
        case ToolMessage():
            extra = message.additional_kwargs
            data: JsonValue = extra.get("data")
            failed = message.status == "error"
            arguments = extra.get("arguments") or {}
            return [Message("tool", message.text, extra.get("tool"), arguments, data, failed)]
        case AIMessage() if message.text:
            return [Message("assistant", message.text)]
    return []
