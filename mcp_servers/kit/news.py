"""`GET /{server}/events?after=CURSOR`: a domain's news as server-sent events, for the orchestrator's service token."""

from collections.abc import AsyncIterator

from fastmcp.server.auth.middleware import RequireAuthMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mcp_servers.kit.database import Database
from mcp_servers.kit.events import Outbox

SERVICE_SCOPE = "service"


def news_route(server: str, outbox: Outbox, database: Database) -> Route:
    """The route; a person's token is not enough, it asks for the scope `service`."""

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        response = _response(Request(scope, receive), outbox, database)
        await response(scope, receive, send)

    return Route(f"/{server}/events", RequireAuthMiddleware(stream, [SERVICE_SCOPE], None), methods=["GET"])


def _response(request: Request, outbox: Outbox, database: Database) -> Response:
    after = request.query_params.get("after", "0")
    if not after.isdigit():
        return JSONResponse({"code": "invalid", "message": f"after: {after!r} is not a cursor."}, status_code=400)
    return StreamingResponse(_frames(outbox, database, int(after)), media_type="text/event-stream")


async def _frames(outbox: Outbox, database: Database, cursor: int) -> AsyncIterator[str]:
    async for event in outbox.follow(database, cursor):
        if event is None:
            yield ": waiting\n\n"
        else:
            yield f"id: {event.id}\nevent: {event.kind}\ndata: {event.model_dump_json()}\n\n"
