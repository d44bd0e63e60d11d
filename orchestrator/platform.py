"""What the orchestrator is made of once it runs, as its routes see it."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from mcp_servers.kit.database import Database
from orchestrator.approvals import Approvals
from orchestrator.catalog import ToolCatalog
from orchestrator.errors import PlatformError
from orchestrator.feed import Feed
from orchestrator.identity.people import Person
from orchestrator.identity.routes import current_person
from orchestrator.settings import OrchestratorSettings
from orchestrator.turns import TurnRunner
from orchestrator.vocabulary import Vocabulary


@dataclass
class Platform:
    """The running parts; `model_ready` is set once a turn can be answered."""

    settings: OrchestratorSettings
    database: Database
    catalog: ToolCatalog
    approvals: Approvals
    runner: TurnRunner
    feed: Feed
    vocabulary: Vocabulary
    model_ready: asyncio.Event = field(default_factory=asyncio.Event)


def current_platform(request: Request) -> Platform:
    """The platform behind a request. Raises PlatformError while it is still starting."""
    platform = getattr(request.app.state, "platform", None)
    if not isinstance(platform, Platform):
        raise PlatformError("starting", "The platform is still starting. Please try again in a moment.", 503)
    return platform


CurrentPlatform = Annotated[Platform, Depends(current_platform)]
CurrentPerson = Annotated[Person, Depends(current_person)]
