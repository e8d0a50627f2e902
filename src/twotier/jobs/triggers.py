"""What starts jobs beside the clock, as it is stored: runs of other jobs that ended well, items
that were posted; and which jobs are paused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from twotier.domain.clock import Clock
from twotier.domain.job import Job, Run, RunState
from twotier.jobs.database import Database
from twotier.jobs.store import instant, ms, new_run
from twotier.jobs.tables import items, pauses, runs, schedules

ENDED_WELL = (RunState.DONE, RunState.LATE)
ENDINGS_MAX = 100


@dataclass(frozen=True, slots=True)
class Ending:
    """The good end of a run that another job waits for."""

    run: str
    slot: datetime
    at: datetime


class TriggerStore:
    """The table `pauses`, and what other tables say of triggers."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @property
    def shared(self) -> bool:
        """Whether workers of other machines may change it."""
        return self._database.shared

    async def paused(self) -> set[str]:
        """The jobs that are paused."""
        return await self._database.do(
            lambda connection: set(connection.scalars(sa.select(pauses.c.job)))
        )

    async def pause(self, job: str) -> None:
        """Its slots are neither run nor missed from now on; a second time changes nothing."""
        now_ms = ms(self._clock.now())

        def work(connection: sa.Connection) -> None:
            known = sa.select(pauses.c.job).where(pauses.c.job == job)
            if connection.execute(known).first() is None:
                connection.execute(sa.insert(pauses).values(job=job, since_ms=now_ms))

        await self._database.do(work)

    async def resume(self, job: str) -> datetime:
        """Slots count again, from this instant on, which is returned."""
        now_ms = ms(self._clock.now())

        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(pauses).where(pauses.c.job == job))
            connection.execute(
                sa.update(schedules).where(schedules.c.job == job).values(seen_ms=now_ms)
            )

        await self._database.do(work)
        return instant(now_ms)

    async def endings(self, before: str, *, job: str, since: datetime) -> list[Ending]:
        """Runs of the job `before` that ended well since then and have started no run of `job`
        yet, by their ends; the newest `ENDINGS_MAX` of them.
        """
        known = sa.select(runs.c.slot_ms).where(runs.c.job == job)
        query = (
            sa.select(runs.c.id, runs.c.slot_ms, runs.c.ended_ms)
            .where(
                runs.c.job == before,
                runs.c.state.in_(ENDED_WELL),
                runs.c.ended_ms >= ms(since),
                runs.c.slot_ms.not_in(known),
            )
            .order_by(runs.c.ended_ms.desc())
            .limit(ENDINGS_MAX)
        )
        found = await self._database.do(lambda connection: list(connection.execute(query)))
        return [
            Ending(row.id, instant(row.slot_ms), instant(row.ended_ms)) for row in reversed(found)
        ]

    async def posted(self, jobs: Collection[str], *, failed_before: datetime) -> set[str]:
        """Those of the jobs that have something to work on now, unless their last run failed later
        than that: what ails them is hardly over yet.
        """
        if not jobs:  # the usual case, at every tick
            return set()
        now_ms = ms(self._clock.now())
        ailing = sa.select(runs.c.job).where(
            runs.c.job.in_(jobs),
            runs.c.state == RunState.FAILED.value,
            runs.c.ended_ms > ms(failed_before),
        )
        query = (
            sa.select(items.c.job)
            .where(
                items.c.job.in_(jobs),
                items.c.job.not_in(ailing),
                items.c.state == "new",
                items.c.next_ms <= now_ms,
            )
            .distinct()
        )
        return await self._database.do(lambda connection: set(connection.scalars(query)))


def row_of(job: Job, slot: datetime, *, endings: Mapping[datetime, Ending]) -> Run:
    """A new row. After another job the slot is that of its run, so that each has one and no more,
    on any machine.
    """
    ending = endings.get(slot)
    if ending is None:
        return new_run(job.name, slot)
    return new_run(job.name, ending.slot, trigger=f"after:{ending.run}")
