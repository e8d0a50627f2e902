"""A tier that could not be built: it is there, it is down, and it says what to do."""

from __future__ import annotations

from dataclasses import dataclass

from twotier.domain.message import Dialect
from twotier.errors import TierUnavailableError
from twotier.providers.base import Ask, Reply


@dataclass(frozen=True, slots=True)
class Absent:
    """Refuses every ask with the same sentence."""

    dialect: Dialect
    because: str

    async def ask(self, ask: Ask) -> Reply:  # noqa: ARG002 - whatever is asked
        """Refuse."""
        raise TierUnavailableError(self.because)
