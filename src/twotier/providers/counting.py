"""Token counts for servers that have no way to tell them: an estimate, said to be one.

Coding clients ask for counts to see how full their window is, and take a refusal for an outage. So
a tier whose server cannot count answers from the length of the body, as the router does.
"""

from __future__ import annotations

from collections.abc import Mapping

from twotier.domain.message import Dialect
from twotier.protocols.anthropic_messages import estimated_count
from twotier.providers.base import Ask, Provider, Reply


class Counting:
    """A provider that answers `anthropic_count` itself and hands on everything else."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    @property
    def dialect(self) -> Dialect:
        """That of the server."""
        return self._provider.dialect

    async def ask(self, ask: Ask) -> Reply:
        """Count, or ask."""
        if ask.dialect == "anthropic_count":
            return _Counted(estimated_count(ask.body))
        return await self._provider.ask(ask)


class _Counted:
    """`base.Reply` with an answer of our own."""

    status = 200
    headers: Mapping[str, str] = {}

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self) -> bytes:
        """All of it, once."""
        body, self._body = self._body, b""
        return body

    async def close(self) -> None:
        """Nothing is held."""
