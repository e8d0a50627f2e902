"""What is kept of jobs, for how long, and how all of one job is forgotten.

Texts go first: of items, answers, transcripts and whatever else belongs to a run. A run's row stays
longer, without texts, because it says what was done and paid. An item's row stays for good, emptied
of all but its id, because that id is what keeps a thing from being done twice. What is not done yet
does not expire. Conversations are kept in the same way (`chat_keeping`).

Which tables hold what is read from the tables themselves: a column `job` or `run` says whose a row
is. So a table that is added later is forgotten too.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from twotier.domain.clock import Clock
from twotier.domain.job import RunState
from twotier.errors import JobError, NotFoundError
from twotier.jobs import chat_keeping
from twotier.jobs.database import Database
from twotier.jobs.store import ON_THE_WAY, ms
from twotier.jobs.tables import answers, audit, items, metadata, outbox, runs

LOG = logging.getLogger("twotier.jobs")

PAUSE_SECONDS = 6 * 3_600.0
FOR_EVER = 0
ITEM_TEXTS = ("title", "text", "source", "error", "author", "at", "link")
FINISHED = ("done", "failed")
ORDERS = frozenset({"pauses"})  # of the owner: a job that was paused stays so

# Told when runs are forgotten: whoever keeps something of them elsewhere drops it.
Forget = Callable[[Sequence[str]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Keep:
    """Days that things are kept; 0 is for ever."""

    items_days: int = 30
    transcripts_days: int = 30
    runs_days: int = 90
    quiet_days: int = 7


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What is kept of runs outside of `work.db`: in the engine's database, and as files."""

    forget: Forget
    artifacts: Path


AUDIT_DAYS = 400  # as long as anybody may ask what a run was allowed to do


class Retention:
    """`run` it beside the jobs."""

    def __init__(
        self, database: Database, clock: Clock, *, keep: Keep, elsewhere: Elsewhere
    ) -> None:
        self._database = database
        self._clock = clock
        self._keep = keep
        self._elsewhere = elsewhere

    async def run(self) -> None:
        """Never returns."""
        while True:
            await self.expire()
            await self._clock.sleep(PAUSE_SECONDS)

    async def expire(self) -> int:
        """Drop what is past its time; returns how many runs lost their texts or their rows."""

        def work(connection: sa.Connection) -> tuple[list[str], list[str], list[str]]:
            self._empty_items(connection)
            said = self._expire_chats(connection)
            old = audit.c.at_ms < self._before(AUDIT_DAYS)
            connection.execute(sa.delete(audit).where(old))
            stale = self._stale(connection, self._silent())
            for table in run_tables():
                drop(connection, table, run_ids=stale)
            for part in parts(stale):
                silence = sa.update(runs).where(runs.c.id.in_(part))
                connection.execute(silence.values(because="", result=""))
            gone = self._stale(connection, self._over())
            for table in run_tables():
                drop(connection, table, run_ids=gone, delivered_only=False)
            for part in parts(gone):
                connection.execute(sa.delete(runs).where(runs.c.id.in_(part)))
            return stale, gone, said

        stale, gone, said = await self._database.do(work)
        await self._drop_elsewhere(dict.fromkeys([*stale, *gone, *said]))
        if gone:
            LOG.info("runs forgotten", extra={"count": len(gone)})
        return len({*stale, *gone})

    async def forget(self, job: str) -> dict[str, int]:
        """Delete everything that is known of a job; returns how many rows of which table.

        Raises `NotFoundError` where nothing is known, and `JobError` while a run is on its way.
        """

        def work(connection: sa.Connection) -> tuple[list[str], dict[str, int]]:
            of_job = sa.select(runs.c.id, runs.c.state).where(runs.c.job == job)
            rows = connection.execute(of_job).all()
            if going := [row.id for row in rows if row.state in ON_THE_WAY]:
                raise JobError(
                    f"the run {going[0]} is on its way; cancel it, or wait for its end, and set"
                    " enabled = false so that no other one begins"
                )
            counts, run_ids = dict(self._forgotten(connection, job)), [row.id for row in rows]
            if job == chat_keeping.JOB:
                run_ids += self._forget_chats(connection, counts=counts)
            return run_ids, counts

        run_ids, counts = await self._database.do(work)
        if not counts:
            raise NotFoundError(f"nothing is known of a job {job!r}; see `twotier job list`")
        await self._drop_elsewhere(run_ids)
        await self._database.compact()
        LOG.info("job forgotten", extra={"job": job, "rows": sum(counts.values())})
        return counts

    async def forget_chat(self, conversation: str) -> dict[str, int]:
        """The same for one conversation. Raises `NotFoundError`, and `JobError` while something in
        it has no answer yet.
        """
        counts: dict[str, int] = {}

        def work(connection: sa.Connection) -> list[str]:
            return self._forget_chats(connection, conversation, counts=counts)

        await self._drop_elsewhere(await self._database.do(work))
        await self._database.compact()
        LOG.info("conversation forgotten", extra={"chat": conversation})
        return counts

    @staticmethod
    def _forget_chats(
        connection: sa.Connection, conversation: str = "", *, counts: dict[str, int]
    ) -> list[str]:
        """Delete it, or all; what was deleted is added to `counts`. The runs of its answers."""
        ids = chat_keeping.named(connection, conversation)
        run_ids = chat_keeping.runs_of(connection, ids)
        for table in (*run_tables(), audit):
            for part in parts(run_ids):
                count = connection.execute(sa.delete(table).where(table.c.run.in_(part))).rowcount
                if count:
                    counts[table.name] = counts.get(table.name, 0) + count
        counts |= chat_keeping.dropped(connection, ids)
        return run_ids

    def _expire_chats(self, connection: sa.Connection) -> list[str]:
        """What was said long ago goes, and with it what belongs to the runs of its answers."""
        run_ids: list[str] = []
        for days, drop_old in (
            (self._keep.transcripts_days, chat_keeping.silenced),
            (self._keep.runs_days, chat_keeping.ended),
        ):
            if days != FOR_EVER:
                run_ids += drop_old(connection, self._before(days))
        for table in run_tables():
            drop(connection, table, run_ids=run_ids)
        return run_ids

    @staticmethod
    def _forgotten(connection: sa.Connection, job: str) -> Iterator[tuple[str, int]]:
        """Rows of each table that were the job's, deleted. `runs` goes last: it says whose a run
        is.
        """
        mine = sa.select(runs.c.id).where(runs.c.job == job)
        for table in sorted(metadata.sorted_tables, key=lambda table: table is runs):
            if table.name in ORDERS:
                continue
            if "job" in table.c:
                where = table.c.job == job
            elif "run" in table.c:
                where = table.c.run.in_(mine)
            else:
                continue
            if count := connection.execute(sa.delete(table).where(where)).rowcount:
                yield table.name, count

    def _empty_items(self, connection: sa.Connection) -> None:
        """Nothing is left of a finished item but its id."""
        if self._keep.items_days == FOR_EVER:
            return
        old = items.c.found_ms < self._before(self._keep.items_days)
        full = sa.or_(items.c.text != "", items.c.title != "")
        connection.execute(
            sa.update(items)
            .where(items.c.state.in_(FINISHED), old, full)
            .values(dict.fromkeys(ITEM_TEXTS, ""))
        )

    def _silent(self) -> sa.ColumnElement[bool]:
        """Runs that keep their row and lose their texts, while they have any: all have a reason."""
        if self._keep.transcripts_days == FOR_EVER:
            return sa.false()
        old = runs.c.slot_ms < self._before(self._keep.transcripts_days)
        full = sa.or_(runs.c.because != "", runs.c.result != "")
        return sa.and_(runs.c.state.not_in(ON_THE_WAY), old, full)

    def _over(self) -> sa.ColumnElement[bool]:
        """Runs whose row goes too; those that found nothing go first."""
        keep, state = self._keep, runs.c.state
        either = [
            sa.and_(of, runs.c.slot_ms < self._before(days))
            for of, days in (
                (state == RunState.QUIET, keep.quiet_days),
                (state.not_in(ON_THE_WAY), keep.runs_days),
            )
            if days != FOR_EVER
        ]
        return sa.or_(sa.false(), *either)

    @staticmethod
    def _stale(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[str]:
        return list(connection.scalars(sa.select(runs.c.id).where(where)))

    def _before(self, days: int) -> int:
        return ms(self._clock.now() - timedelta(days=days))

    async def _drop_elsewhere(self, run_ids: Sequence[str] | dict[str, None]) -> None:
        """The engine's entries and the files of these runs."""
        if not run_ids:
            return
        await self._elsewhere.forget(list(run_ids))
        for run_id in run_ids:
            folder = self._elsewhere.artifacts / run_id
            if folder.parent == self._elsewhere.artifacts:
                shutil.rmtree(folder, ignore_errors=True)


def run_tables() -> list[sa.Table]:
    """The tables whose rows belong to a run and go with its texts. Items outlive theirs, and so
    does the audit, which holds none.
    """
    outlive = (items, audit)
    return [one for one in metadata.sorted_tables if "run" in one.c and one not in outlive]


def drop(
    connection: sa.Connection,
    table: sa.Table,
    *,
    run_ids: Sequence[str],
    delivered_only: bool = True,
) -> None:
    """Rows of these runs. What was not delivered yet is kept, with its answer, for as long as the
    run has a row.
    """
    for part in parts(run_ids):
        where: sa.ColumnElement[bool] = table.c.run.in_(part)
        if delivered_only and table in (outbox, answers):
            pending = sa.select(outbox.c.run).where(outbox.c.state == "pending")
            where = sa.and_(where, table.c.run.not_in(pending))
        connection.execute(sa.delete(table).where(where))


def parts(run_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """A few hundred at a time: SQLite takes no more values in one statement."""
    for begin in range(0, len(run_ids), 500):
        yield run_ids[begin : begin + 500]
