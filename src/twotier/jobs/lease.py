"""Several workers on one database: who is alive, and whose runs nobody does any more.

A worker says four times in the time of a lease that it lives, by the clock of the database, because
clocks of machines differ. One that was not heard of for a whole lease is taken for dead, and
another goes on with its runs. It may only have slept: then its next step is refused by the engine,
and all that was done twice is the step under way.

On a file of SQLite there is one worker, and all runs are its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path

import sqlalchemy as sa

from twotier.domain.clock import Clock
from twotier.jobs.database import Database, insert_of
from twotier.jobs.tables import runs, workers

LEASE_SECONDS = 45.0
BEATS = 4.5  # in the time of a lease: one that was lost, or is late, is no death


class Lease:
    """This worker among those of a database, which all have the same `seconds`. `take_over` goes
    on with runs of dead ones.
    """

    def __init__(
        self, database: Database, clock: Clock, *, owner: str, seconds: float = LEASE_SECONDS
    ) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._beat_seconds = seconds / BEATS

    async def beat(self) -> None:
        """Say that this worker lives."""

        def work(connection: sa.Connection) -> None:
            seen = {"seen_ms": now_ms(connection)}
            row = insert_of(connection, workers).values(id=self._owner, **seen)
            key = [workers.c.id]
            connection.execute(row.on_conflict_do_update(index_elements=key, set_=seen))

        await self._database.do(work)

    async def run(self, take_over: Callable[[], Awaitable[None]]) -> None:
        """Never returns where workers share the database; elsewhere at once."""
        while self._database.shared:
            await self.beat()
            await take_over()
            await self._clock.sleep(self._beat_seconds)


def now_ms(connection: sa.Connection) -> int:
    """The clock of the database's machine, in milliseconds since the epoch."""
    if connection.dialect.name == "sqlite":
        days = connection.scalar(sa.text("SELECT julianday('now') - 2440587.5"))
        return int(float(days or 0) * 86_400_000)
    clock = sa.func.extract("epoch", sa.func.clock_timestamp())
    return int(float(connection.scalar(sa.select(clock)) or 0) * 1_000)


def claimed(connection: sa.Connection, owner: str, *, lease_seconds: float) -> set[str]:
    """Runs that other workers, which live, have; nobody else is to touch them."""
    since_ms = now_ms(connection) - int(lease_seconds * 1_000)
    alive = sa.select(workers.c.id).where(workers.c.id != owner, workers.c.seen_ms >= since_ms)
    return set(connection.scalars(sa.select(runs.c.id).where(runs.c.owner.in_(alive))))


def owner_of(path: Path) -> str:
    """The name of the worker of a state folder, the same after a restart and nobody else's."""
    try:
        return path.read_text(encoding="utf-8").strip() or renamed(path)
    except FileNotFoundError:
        return renamed(path)


def renamed(path: Path) -> str:
    """A new name."""
    name = uuid.uuid4().hex
    path.touch(mode=0o600)
    path.write_text(name + "\n", encoding="utf-8")
    return name
