"""What a tool may ask of the client that is in the call: typed effects, carried in a result's `_meta`.

An effect is data, never a magic string in the model's text. The orchestrator knows effect kinds, not servers.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

EFFECT_META_KEY = "convonet/effect"


class Handoff(BaseModel):
    """Connect the caller with a person."""

    model_config = ConfigDict(frozen=True)

    kind: Literal["handoff"] = "handoff"
    handoff_id: str
    department: str
    extension: str | None = None
    reason: str = ""


Effect = Annotated[Handoff, Field(discriminator="kind")]
