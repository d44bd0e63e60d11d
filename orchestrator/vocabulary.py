"""Words that a recogniser should expect: what the tools are about, and the names of the caller's own things.

A server that knows such names offers them as the resource `{server}://vocabulary`: a JSON list of strings.
"""

import asyncio
import json
import re

from orchestrator.catalog import ToolCatalog
from orchestrator.identity.people import Person

RESOURCE = "vocabulary"
MAX_WORDS = 120
WAIT_SECONDS = 1.0


class Vocabulary:
    """Gathers words from the catalogue and from each server, for one person."""

    def __init__(self, catalog: ToolCatalog) -> None:
        self._catalog = catalog

    async def words(self, caller: Person) -> list[str]:
        """At most 120 words or short phrases: the person's own things first, then what the tools are called."""
        own = await asyncio.gather(*(self._own(name, caller) for name in self._catalog.servers))
        titles = [word for tool in self._catalog.tools() for word in re.findall(r"[A-Za-z][\w-]+", tool.title)]
        found = [word for words in own for word in words] + titles
        return list(dict.fromkeys(found))[:MAX_WORDS]

    async def _own(self, server: str, caller: Person) -> list[str]:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                contents = await self._catalog.read(f"{server}://{RESOURCE}", caller)
        except (LookupError, TimeoutError):
            return []
        return [word for content in contents for word in _strings(content.get("text", ""))]


def _strings(text: str) -> list[str]:
    try:
        words = json.loads(text)
    except ValueError:
        return []
    return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []
