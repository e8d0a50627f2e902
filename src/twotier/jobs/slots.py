"""Since when the slots of each job count, and which one comes next. The next one is asked for at
every tick and computed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from twotier.domain.job import Job
from twotier.jobs.schedule import due_slots, next_slots


class Slots:
    """Those of the jobs that are switched on, by their names."""

    def __init__(self, seen: Mapping[str, datetime] | None = None) -> None:
        self._seen = dict(seen or {})
        self._next: dict[str, datetime | None] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._seen)

    def __contains__(self, name: str) -> bool:
        return name in self._seen

    def seen(self, job: Job) -> datetime:
        """The instant after which its slots count."""
        return self._seen[job.name]

    def count_from(self, name: str, seen: datetime) -> None:
        """Slots up to this instant are done with, one way or another."""
        self._seen[name] = seen
        self._next.pop(name, None)

    def let_pass(self, name: str, now: datetime) -> None:
        """Slots of a paused job are neither run nor missed."""
        self.count_from(name, max(now, self._seen[name]))

    def next(self, job: Job) -> datetime | None:
        """Its next slot, which may be past; None where it has none by itself."""
        if job.name not in self._next:
            self._next[job.name] = next(iter(next_slots(job, after=self._seen[job.name])), None)
        return self._next[job.name]

    def due(self, job: Job, now: datetime) -> list[datetime]:
        """Its slots that have come, oldest first."""
        slot = self.next(job)
        if slot is None or slot > now:
            return []
        return due_slots(job, after=self._seen[job.name], now=now)
