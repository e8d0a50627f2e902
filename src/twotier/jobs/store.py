"""Run rows: one per due slot, written before anything else happens.

The pair (job, slot) is unique, so a slot can never run twice, whoever computes it. This module
knows rows and nothing of watching, asking or delivering.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from twotier.domain.clock import Clock
from twotier.domain.job import Run, RunState
from twotier.jobs.database import Database, insert_new
from twotier.jobs.folding import Fold, folded
from twotier.jobs.lease import LEASE_SECONDS, claimed
from twotier.jobs.looks import Looks, count_look, looks_between
from twotier.jobs.tables import items, runs, schedules

FOLDED_MAX = 10_000  # rows that are read for a list
ON_THE_WAY = (RunState.DUE, RunState.RUNNING, RunState.WAITING)

# What every run asks for, made once: to make a statement costs more than to execute it.
_MINE = runs.c.id == sa.bindparam("of_run")
BY_ID = sa.select(runs).where(_MINE)
START = (
    sa.update(runs)
    .where(_MINE)
    .values(
        state=RunState.RUNNING.value,
        owner=sa.bindparam("us"),
        tries=runs.c.tries + 1,
        started_ms=sa.func.coalesce(runs.c.started_ms, sa.bindparam("now_ms")),
    )
    .returning(runs)
)
END = (
    sa.update(runs)
    .where(_MINE)
    .values(
        state=sa.bindparam("how"),
        because=sa.bindparam("why"),
        result=sa.bindparam("what"),
        ended_ms=sa.bindparam("now_ms"),
    )
    .returning(runs.c.job, runs.c.slot_ms, runs.c["items"])
)
SEEN = (
    sa.update(schedules)
    .where(schedules.c.job == sa.bindparam("of_job"))
    .values(seen_ms=sa.bindparam("now_ms"))
)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: its state, why in one sentence, and what came out. `gives_back`: what it
    had not finished is new again, though it was interrupted: that was not its items' doing.
    """

    state: RunState
    because: str
    result: str = ""
    gives_back: bool = False


class RunStore:
    """The table `runs`, and since when each job's slots count. `owner` is this worker's name; one
    that was not heard of for `lease_seconds` is dead.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        owner: str = "",
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._lease_seconds = lease_seconds

    async def since(self, job: str, schedule: str) -> datetime:
        """The instant after which slots of the job are due.

        A job that is new, or whose schedule was changed, starts now: nothing of it was missed. The
        clock may have been set back since; slots that already have a row stay unique.
        """
        now_ms = ms(self._clock.now())

        def work(connection: sa.Connection) -> int:
            row = connection.execute(sa.select(schedules).where(schedules.c.job == job)).first()
            if row is not None and row.schedule == schedule:
                return min(int(row.seen_ms), now_ms)
            connection.execute(sa.delete(schedules).where(schedules.c.job == job))
            connection.execute(
                sa.insert(schedules).values(job=job, schedule=schedule, seen_ms=now_ms)
            )
            return now_ms

        return instant(await self._database.do(work))

    async def forget_schedules_except(self, jobs: set[str]) -> None:
        """A job that was taken out or switched off misses nothing meanwhile."""
        await self._database.do(
            lambda connection: connection.execute(
                sa.delete(schedules).where(schedules.c.job.not_in(jobs))
            )
        )

    async def write_due(self, rows: list[Run], *, job: str, seen: datetime) -> list[Run]:
        """Store rows of slots and move on, in one transaction. Returns those that are new."""

        def work(connection: sa.Connection) -> list[Run]:
            other = self._elsewhere(connection, job)
            told = [skipped(row, other) for row in rows] if other else rows
            owned = {"owner": self._owner}
            new = [
                row for row in told if insert_new(connection, runs, values=values_of(row) | owned)
            ]
            connection.execute(SEEN, {"of_job": job, "now_ms": ms(seen)})
            return new

        return await self._database.do(work)

    async def add_by_hand(self, job: str, *, trigger: str = "hand") -> Run:
        """A row for a run somebody ordered, or posted for; its slot is the instant of the order."""
        now = instant(ms(self._clock.now()))

        def work(connection: sa.Connection) -> Run:
            run, owned = new_run(job, now, trigger=trigger), {"owner": self._owner}
            while not insert_new(connection, runs, values=values_of(run) | owned):
                # two orders within one millisecond
                run = new_run(job, run.slot + timedelta(milliseconds=1), trigger=trigger)
            return run

        return await self._database.do(work)

    async def add_fork(self, original: Run, *, step: int) -> Run:
        """A row for a run that takes over the steps of another before number `step`."""
        trigger = f"fork:{step}:{original.id}"
        run = await self.add_by_hand(original.job, trigger=trigger)
        change = {"items": original.items, "forked_from": original.id}
        await self._database.do(
            lambda connection: connection.execute(
                sa.update(runs).where(runs.c.id == run.id).values(**change)
            )
        )
        return replace(run, items=original.items)

    async def reopen(self, run_id: str) -> Run:
        """An interrupted run is due again, with the items that it had."""

        def work(connection: sa.Connection) -> Run:
            change = {"state": RunState.DUE.value, "ended_ms": None, "because": "", "tries": 0}
            connection.execute(sa.update(runs).where(runs.c.id == run_id).values(**change))
            return run_of(connection.execute(sa.select(runs).where(runs.c.id == run_id)).one())

        return await self._database.do(work)

    async def start(self, run_id: str) -> Run:
        """The run begins, or begins again: one more try is counted before anything is done."""
        told = {"of_run": run_id, "us": self._owner, "now_ms": ms(self._clock.now())}
        return await self._database.do(
            lambda connection: run_of(connection.execute(START, told).one())
        )

    async def waits(self, run_id: str, because: str) -> None:
        """The run has come as far as a wait, and tells so: this try has not brought us down."""
        await self._database.do(
            lambda connection: connection.execute(
                sa.update(runs)
                .where(runs.c.id == run_id, runs.c.tries > 0)
                .values(because=because, tries=runs.c.tries - 1)
            )
        )

    async def asks_owner(self, run_id: str, because: str) -> None:
        """The run cannot go on before its owner says yes or no; it holds no place meanwhile."""
        await self._database.do(
            lambda connection: connection.execute(
                sa.update(runs)
                .where(runs.c.id == run_id)
                .values(state=RunState.WAITING.value, because=because, tries=0)
            )
        )

    async def end(self, run_id: str, ended: Ended) -> None:
        """The run is over. Items it did not finish wait for the next run."""
        told = {
            "of_run": run_id,
            "how": ended.state.value,
            "why": ended.because,
            "what": ended.result,
            "now_ms": ms(self._clock.now()),
        }

        def work(connection: sa.Connection) -> None:
            run = connection.execute(END, told).one()
            if ended.state is RunState.QUIET:
                count_look(connection, run.job, slot=instant(run.slot_ms))
            if not run.items:  # it has never had any
                return
            unfinished = (items.c.run == run_id) & (items.c.state == "taken")
            if ended.state is RunState.INTERRUPTED and not ended.gives_back:
                # they may be what killed us: not again
                change = {"state": "failed", "error": ended.because}
            else:
                change = {"state": "new", "run": ""}
            connection.execute(sa.update(items).where(unfinished).values(**change))

        await self._database.do(work)

    async def looks(self, since: datetime, until: datetime) -> list[Looks]:
        """How often looks found nothing in this span."""
        return await self._database.do(
            lambda connection: looks_between(connection, since=since, until=until)
        )

    async def unfinished(self) -> list[Run]:
        """Runs that are on the way and that no other worker has, oldest first: now ours."""
        query = sa.select(runs).where(runs.c.state.in_(ON_THE_WAY)).order_by(runs.c.slot_ms)

        def work(connection: sa.Connection) -> list[Run]:
            others = self._others(connection)
            free = [row for row in connection.execute(query).all() if row.id not in others]
            ids = [row.id for row in free]
            connection.execute(sa.update(runs).where(runs.c.id.in_(ids)).values(owner=self._owner))
            return [run_of(row) for row in free]

        return await self._database.do(work)

    def _others(self, connection: sa.Connection) -> set[str]:
        """The runs that are none of ours to touch."""
        if not self._database.shared:
            return set()
        return claimed(connection, self._owner, lease_seconds=self._lease_seconds)

    def _elsewhere(self, connection: sa.Connection, job: str) -> str:
        """The run of this job that another worker is doing; empty where there is none."""
        if not (others := self._others(connection)):
            return ""
        query = sa.select(runs.c.id).where(runs.c.job == job, runs.c.state.in_(ON_THE_WAY))
        return next((run for run in connection.scalars(query) if run in others), "")

    async def run(self, run_id: str) -> Run | None:
        """One run, None if there is none of this id."""
        return await self._database.do(lambda connection: one_of(connection, run_id))

    async def latest(
        self, *, job: str = "", states: Collection[RunState] = (), limit: int = 20
    ) -> list[Run]:
        """The newest runs, newest first; of one job and in some states if they are named."""
        return await self._select(latest_of(job, states).limit(limit))

    async def folded(
        self, *, job: str = "", states: Collection[RunState] = (), limit: int = 20
    ) -> list[Fold]:
        """The same, as `limit` lines: rows that say the same one after the other are one."""
        query = latest_of(job, states).limit(FOLDED_MAX)
        return await self._database.do(
            lambda connection: folded(map(run_of, connection.execute(query)), limit=limit)
        )

    async def _select(self, query: sa.Select[Any]) -> list[Run]:
        return await self._database.do(
            lambda connection: [run_of(row) for row in connection.execute(query)]
        )


def new_run(
    job: str, slot: datetime, *, trigger: str = "schedule", state: RunState = RunState.DUE
) -> Run:
    """A run that has not begun. Its id is made of job and slot: the same on every machine."""
    stamp = slot.astimezone(UTC)
    fraction = f".{stamp.microsecond // 1000:03d}" if stamp.microsecond else ""
    return Run(f"{job}-{stamp:%Y%m%dT%H%M%S}{fraction}Z", job, slot, state, trigger=trigger)


def skipped(run: Run, other: str) -> Run:
    """The slot is not run, because another worker is at the one before."""
    if run.state is not RunState.DUE:
        return run
    return replace(run, state=RunState.SKIPPED, because=f"the run {other} is still going on")


def latest_of(job: str, states: Collection[RunState]) -> sa.Select[Any]:
    """The newest runs first; all where nothing is named."""
    query = sa.select(runs).order_by(runs.c.slot_ms.desc(), runs.c.id)
    query = query.where(runs.c.state.in_(states)) if states else query
    return query.where(runs.c.job == job) if job else query


def one_of(connection: sa.Connection, run_id: str) -> Run | None:
    """The run of this id."""
    row = connection.execute(BY_ID, {"of_run": run_id}).first()
    return None if row is None else run_of(row)


def values_of(run: Run) -> dict[str, Any]:
    """A new run as a row. A row that is born ended (missed, skipped) ended at its slot."""
    over = run.state not in ON_THE_WAY
    return {
        "id": run.id,
        "job": run.job,
        "slot_ms": ms(run.slot),
        "state": run.state.value,
        "trigger": run.trigger,
        "late": run.late,
        "because": run.because,
        "ended_ms": ms(run.slot) if over else None,
    }


def run_of(row: sa.Row[Any]) -> Run:
    """A row as a run."""
    return Run(
        id=row.id,
        job=row.job,
        slot=instant(row.slot_ms),
        state=RunState(row.state),
        tries=row.tries,
        trigger=row.trigger,
        started_at=None if row.started_ms is None else instant(row.started_ms),
        ended_at=None if row.ended_ms is None else instant(row.ended_ms),
        items=row.items,
        model_calls=row.model_calls,
        tokens=row.tokens,
        cost_microusd=row.cost_microusd,
        tier=row.tier,
        model=row.model,
        because=row.because,
        result=row.result,
        late=row.late,
    )


def ms(at: datetime) -> int:
    """Milliseconds since the epoch, exact."""
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def instant(at_ms: int) -> datetime:
    """The other way."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
