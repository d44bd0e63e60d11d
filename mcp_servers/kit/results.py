"""What a tool gives back: structured content with an output schema, and one sentence that can be spoken aloud."""

from typing import Self

from fastmcp.tools.base import ToolResult
from mcp.types import TextContent
from pydantic import BaseModel, PrivateAttr

from mcp_servers.kit.effects import EFFECT_META_KEY, Effect


class Answer(BaseModel):
    """The base of every tool's answer: its fields are the structured content, its sentence is the text content."""

    _sentence: str = PrivateAttr(default="")
    _effect: Effect | None = PrivateAttr(default=None)

    def saying(self, sentence: str) -> Self:
        """The same answer with the sentence that a voice may speak."""
        self._sentence = sentence
        return self

    def asking(self, effect: Effect) -> Self:
        """The same answer with something that the client in the call is asked to do."""
        self._effect = effect
        return self

    def to_tool_result(self) -> ToolResult:
        """The MCP result: text, structured content, and the effect in `_meta`."""
        if not self._sentence:
            raise ValueError(f"{type(self).__name__} has no sentence to speak")
        meta = {EFFECT_META_KEY: self._effect.model_dump(mode="json")} if self._effect else None
        return ToolResult(
            content=[TextContent(type="text", text=self._sentence)],
            structured_content=self.model_dump(mode="json"),
            meta=meta,
        )
