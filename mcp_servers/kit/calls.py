"""Everything that surrounds one tool call: caller, transaction, idempotency, report and plain errors."""

import logging
from typing import Any

from fastmcp.exceptions import NotFoundError, ToolError, ValidationError
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools.base import ToolResult
from mcp.types import CallToolRequestParams
from pydantic import ValidationError as PydanticValidationError

from mcp_servers.kit.caller import ORCHESTRATOR_CLIENT, ToolCall, caller_from_token, running
from mcp_servers.kit.database import Database
from mcp_servers.kit.errors import Invalid, Refusal
from mcp_servers.kit.events import Outbox
from mcp_servers.kit.explain import explain
from mcp_servers.kit.idempotency import META_KEY, IdempotencyKeys

logger = logging.getLogger(__name__)

APOLOGY = "Something went wrong on our side, and nothing was changed. Please try again."


class ToolCalls(Middleware):
    """One call, one transaction: it commits when the tool returns and rolls back when it raises."""

    def __init__(self, database: Database, keys: IdempotencyKeys, outbox: Outbox) -> None:
        self.database = database
        self.keys = keys
        self.outbox = outbox

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        """Run the call; raises ToolError with a sentence that may be shown and spoken."""
        try:
            result = await self._in_transaction(context, call_next)
        except Refusal as refusal:
            raise ToolError(str(refusal)) from refusal
        except ValidationError as error:
            raise ToolError(_explained(error)) from error
        except (NotFoundError, ToolError):
            raise
        except Exception as error:
            logger.exception("Tool %s failed", context.message.name)
            raise ToolError(APOLOGY) from error
        self.outbox.wake()
        return result

    async def _in_transaction(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        tool, arguments = context.message.name, context.message.arguments or {}
        caller = caller_from_token()
        key = _idempotency_key(context)
        async with self.database.transaction() as session:
            if key is not None:
                first = await self.keys.recall(session, caller.person_id, tool, key, arguments)
                if first is not None:
                    return ToolResult(**first)
            with running(ToolCall(caller, session)):
                result = await call_next(context)
            if key is not None:
                stored = result.model_dump(mode="json", include={"content", "structured_content", "meta"})
                await self.keys.remember(session, caller.person_id, tool, key, arguments, stored)
            if caller.client_id != ORCHESTRATOR_CLIENT:
                await self.outbox.write(
                    session, "tool_called", [caller.person_id], {"tool": tool, "host": caller.client_id}
                )
        return result


def _idempotency_key(context: MiddlewareContext[CallToolRequestParams]) -> str | None:
    request = context.fastmcp_context.request_context if context.fastmcp_context else None
    meta: dict[str, Any] = request.meta.model_dump() if request and request.meta else {}
    key = meta.get(META_KEY)
    if key is not None and not isinstance(key, str):
        raise Invalid(f"The idempotency key must be text; {type(key).__name__} came.")
    return key


def _explained(error: ValidationError) -> str:
    cause = error.__cause__
    return explain(cause) if isinstance(cause, PydanticValidationError) else "The arguments are not acceptable."
