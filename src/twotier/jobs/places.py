"""How many runs are given to a tier at a time. Who comes first is who was due first.

A local model does one thing at a time, and 45 jobs that are due at once would only stand in its
line, each with its deadline running. So a run takes a place before it asks anything, and the rest
wait here, in order of their slots; a run that somebody ordered goes before them. Main has the last
word on which tier serves a request, and lets people go before jobs; this only keeps us from
starting more than can be served.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from twotier.domain.job import Job, Run

ANY = ""  # the tier of a job of which it is not known who may serve it
AT_ONCE = 2


@dataclass(order=True, slots=True)
class Waiting:
    """A run without a place: those with the lowest rank and the oldest slot go first."""

    rank: tuple[int, float, str]
    tiers: tuple[str, ...] = field(compare=False)
    granted: asyncio.Future[str] = field(compare=False)


class Places:
    """Places by tier. `at_once` says how many each tier has; others have `AT_ONCE`."""

    def __init__(self, at_once: Mapping[str, int] | None = None) -> None:
        self._at_once = dict(at_once or {})
        self._taken: Counter[str] = Counter()
        self._waiting: list[Waiting] = []

    def use(self, at_once: Mapping[str, int]) -> None:
        """The numbers have changed; whoever has a place keeps it."""
        self._at_once = dict(at_once)
        self._grant()

    async def take(self, job: Job, run: Run) -> str:
        """Wait for a place at a tier that may serve the job; returns which one it is."""
        granted: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        rank = (0 if run.trigger == "hand" else 1, run.slot.timestamp(), job.name)
        waiting = Waiting(rank, job.tiers or (ANY,), granted)
        self._waiting.append(waiting)
        self._grant()
        try:
            return await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():  # given, and never used
                self.leave(granted.result())
            else:
                self._waiting.remove(waiting)
            raise

    def leave(self, tier: str) -> None:
        """The place is free again."""
        self._taken[tier] -= 1
        self._grant()

    def _grant(self) -> None:
        for waiting in sorted(self._waiting):
            free = next((tier for tier in waiting.tiers if self._is_free(tier)), None)
            if free is not None:
                self._waiting.remove(waiting)
                self._taken[free] += 1
                waiting.granted.set_result(free)

    def _is_free(self, tier: str) -> bool:
        return self._taken[tier] < self._at_once.get(tier, AT_ONCE)


@dataclass(slots=True)
class Place:
    """The place of one run, which it takes when it has something to ask, and may leave to rest."""

    places: Places
    job: Job
    run: Run
    tier: str | None = None

    async def take(self) -> None:
        """Wait for it, unless it has one."""
        if self.tier is None:
            self.tier = await self.places.take(self.job, self.run)

    def leave(self) -> None:
        """Give it back, if it has one."""
        if self.tier is not None:
            self.places.leave(self.tier)
            self.tier = None
