"""Fees: what is paid for beside tokens, such as a post read on X.

Whoever makes a fee asks for its worst case before, and says afterwards what it came to. Both go to
the one ledger, so that a budget can refuse it and no sum is without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Use:
    """At most `count` units of something a provider sells, for a job. `key` names this one use: the
    same key again is the same use. A job uses a unit once at a time.
    """

    key: str
    job: str
    provider: str
    unit: str
    count: int


class Fees(Protocol):
    """The way to the ledger for what is no token."""

    async def hold(self, use: Use) -> None:
        """Hold the worst case. Raises `FeeError` with the reason where it must not be spent."""
        ...

    async def settle(self, use: Use, count: int) -> None:
        """It came to so many units. Raises `FeeError`; the worst case stays held then."""
        ...
