"""The catalogue, calls from dashboards and shells, resources, and what waits for a yes."""

from typing import Any
from uuid import uuid4

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from orchestrator.approvals import Approval
from orchestrator.catalog import ToolOutcome, UnknownTool
from orchestrator.errors import PlatformError
from orchestrator.platform import CurrentPerson, CurrentPlatform
from orchestrator.protocol import ApprovalView, CatalogView, ToolReply
from orchestrator.toolwork import question_for
from orchestrator.turns import LEFT_ALONE

router = APIRouter(prefix="/agent", tags=["tools"])
NO_THREAD = ""


class ToolArguments(BaseModel):
    """The body of a direct call; the key makes a repeated request harmless."""

    arguments: dict[str, Any] = Field(default_factory=dict)
    idempotency_key: str | None = None


class Decision(BaseModel):
    approved: bool


@router.get("/tools")
async def list_tools(platform: CurrentPlatform, caller: CurrentPerson) -> CatalogView:
    """The model's catalogue, and the health of each server."""
    return platform.catalog.view()


@router.post("/tools/{name}", response_model=ToolReply, responses={409: {"description": "It needs a yes first"}})
async def call_tool(
    name: str, body: ToolArguments, platform: CurrentPlatform, caller: CurrentPerson
) -> ToolReply | JSONResponse:
    """Call a tool as the signed-in person; a destructive one answers 409 with an approval to confirm."""
    tool = platform.catalog.known(name)
    if tool is None:
        raise PlatformError("not_found", f"There is no tool {name}.", 404)
    if tool.hints.destructive and not tool.hints.read_only:
        question = question_for(tool, body.arguments)
        approval_id = await platform.approvals.ask(caller.id, NO_THREAD, name, body.arguments, question)
        approval = ApprovalView(approval_id=approval_id, question=question, tool=name, arguments=body.arguments)
        answer = {"code": "approval_needed", "message": question, "approval": approval.model_dump(mode="json")}
        return JSONResponse(answer, status_code=409)
    try:
        outcome = await platform.catalog.call(name, body.arguments, caller, body.idempotency_key or uuid4().hex)
    except UnknownTool as error:
        raise PlatformError("not_found", f"There is no tool {name}.", 404) from error
    return _reply(outcome)


@router.get("/approvals")
async def list_approvals(platform: CurrentPlatform, caller: CurrentPerson) -> dict[str, list[ApprovalView]]:
    """What waits for the caller's yes or no."""
    return {"approvals": [_approval(approval) for approval in await platform.approvals.waiting(caller.id)]}


@router.post("/approvals/{approval_id}")
async def decide(approval_id: str, body: Decision, platform: CurrentPlatform, caller: CurrentPerson) -> ToolReply:
    """Say yes or no; on a yes the tool runs, once, with exactly the arguments that were asked about."""
    approval = await platform.approvals.decide(approval_id, caller.id, body.approved)
    if approval is None:
        raise PlatformError("not_found", "That question is no longer open.", 404)
    if not body.approved:
        await platform.runner.record_decision(approval, None)
        return ToolReply(status="success", text=LEFT_ALONE, duration_ms=0)
    try:
        outcome = await platform.catalog.call(
            approval.tool, approval.arguments, caller, f"{approval.thread_id}/approved_{approval.id}"
        )
    except UnknownTool:
        outcome = ToolOutcome("failed", "That tool is not available any more.")
    await platform.runner.record_decision(approval, outcome)
    return _reply(outcome)


@router.get("/resources")
async def read_resource(uri: str, platform: CurrentPlatform, caller: CurrentPerson) -> dict[str, Any]:
    """Read an MCP resource as the signed-in person: `{contents: [{uri, mimeType, text}]}`."""
    try:
        return {"contents": await platform.catalog.read(uri, caller)}
    except LookupError as error:
        raise PlatformError("not_found", f"There is no resource {uri}.", 404) from error


def _approval(approval: Approval) -> ApprovalView:
    return ApprovalView(
        approval_id=approval.id, question=approval.question, tool=approval.tool, arguments=approval.arguments
    )


def _reply(outcome: ToolOutcome) -> ToolReply:
    return ToolReply(status=outcome.status, text=outcome.text, data=outcome.data, duration_ms=outcome.duration_ms)
