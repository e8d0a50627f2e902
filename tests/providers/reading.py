"""A reply's body piece by piece, for tests that look at the pieces."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from twotier.providers.base import Reply


async def chunks(reply: Reply) -> AsyncGenerator[bytes]:
    """The body as it arrives. Raises what `Reply.read` does."""
    while piece := await reply.read():
        yield piece
