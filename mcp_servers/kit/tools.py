"""Registers plain functions as MCP tools: title, honest hints, output schema, hidden caller and transaction."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from fastmcp import FastMCP
from fastmcp.tools import Tool
from fastmcp.tools.base import ToolResult
from mcp.types import ToolAnnotations

from mcp_servers.kit.results import Answer

ToolFunction = Callable[..., Awaitable[Answer]]


@dataclass(frozen=True)
class ToolDefinition:
    """A tool of a domain: the function's docstring is what the model reads."""

    function: ToolFunction
    title: str
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False

    def annotations(self) -> ToolAnnotations:
        """The four hints of the MCP specification; a domain's own tables are a closed world."""
        return ToolAnnotations(
            title=self.title,
            readOnlyHint=self.read_only,
            destructiveHint=self.destructive,
            idempotentHint=self.idempotent or self.read_only,
            openWorldHint=False,
        )


def add_tool(server: FastMCP[Any], definition: ToolDefinition, timeout_seconds: float) -> None:
    """Offer one tool; its answer's model is the output schema."""
    function = definition.function
    hints = get_type_hints(function, include_extras=True)
    answer: type[Answer] = hints["return"]

    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> ToolResult:
        return (await function(*args, **kwargs)).to_tool_result()

    run.__annotations__ = {**hints, "return": ToolResult}
    signature = inspect.signature(function)
    parameters = [p.replace(annotation=hints[p.name]) for p in signature.parameters.values()]
    run.__signature__ = signature.replace(  # type: ignore[attr-defined]  # read by inspect.signature
        parameters=parameters, return_annotation=ToolResult
    )
    tool = Tool.from_function(
        run,
        title=definition.title,
        description=inspect.cleandoc(function.__doc__ or ""),
        annotations=definition.annotations(),
        output_schema=answer.model_json_schema(mode="serialization"),
        timeout=timeout_seconds,
    )
    server.add_tool(tool)
