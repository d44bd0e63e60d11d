"""Whether the platform is up, and whether it can serve."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from orchestrator.platform import CurrentPlatform

router = APIRouter(tags=["health"])


@router.get("/health")
async def health(platform: CurrentPlatform) -> dict[str, Any]:
    """`{status, version, services{name: {status, tools, detail?}}}`; degraded while a server is missing."""
    return _health(platform)


@router.get("/health/ready")
async def ready(platform: CurrentPlatform) -> JSONResponse:
    """200 when the model and every server can serve, else 503 with the same body."""
    body = _health(platform)
    return JSONResponse(body, status_code=200 if body["status"] == "up" else 503)


def _health(platform: CurrentPlatform) -> dict[str, Any]:
    servers = platform.catalog.view().servers
    services = {name: server.model_dump(exclude_none=True) for name, server in servers.items()}
    services["model"] = {"status": "up" if platform.model_ready.is_set() else "starting"}
    complete = all(service["status"] == "up" for service in services.values())
    return {"status": "up" if complete else "degraded", "version": version("convonet"), "services": services}
