"""Remembers for a while that an upstream could not be reached, for those who only want to know.

Nobody keeps such a server for us, so what its last request met is all that is known of it.
"""

from __future__ import annotations

from twotier.domain.clock import Clock
from twotier.domain.message import Dialect
from twotier.errors import TierUnavailableError
from twotier.providers.base import Ask, Provider, Reply

REMEMBERED_SECONDS = 30.0


class Watched:
    """A provider whose last outage is remembered."""

    def __init__(self, provider: Provider, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
        self._because = ""
        self._until = 0.0

    @property
    def dialect(self) -> Dialect:
        """The wire format it speaks."""
        return self._provider.dialect

    async def ask(self, ask: Ask) -> Reply:
        """Ask; an upstream that cannot be reached is remembered, an answer forgets it."""
        try:
            reply = await self._provider.ask(ask)
        except TierUnavailableError as exc:
            self._because = exc.message
            self._until = self._clock.monotonic() + REMEMBERED_SECONDS
            raise
        self._because = ""
        return reply

    def outage(self) -> str:
        """The sentence of the last outage while it is fresh, else an empty string."""
        return self._because if self._clock.monotonic() < self._until else ""
