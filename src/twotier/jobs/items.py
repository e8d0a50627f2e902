"""What watchers found: items by id, and how far each watcher has looked.

An item goes new -> taken (by a run) -> done or failed. One whose try failed is new again, but
pauses and then stands behind those that were never tried, so that it holds nobody up. Its
row stays for ever, because its id is what keeps it from being done twice. Its text goes after some
time (`retention`); until then the work can be tried in another way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from twotier.domain.clock import Clock
from twotier.domain.job import Item
from twotier.jobs.database import Database
from twotier.jobs.store import ms
from twotier.jobs.tables import cursors, items, runs
from twotier.watch.base import Look

# After so many failed tries of its own an item is given up. A tier that is down does not count.
TRIES_MAX = 3
PAUSES_SECONDS = (60.0, 300.0)  # after the first and the second failed try
FOR_EVER_MS = 1 << 62

# What every look asks for, made once: to make a statement costs more than to execute it.
CURSOR = sa.select(cursors.c.value).where(
    cursors.c.job == sa.bindparam("of_job"), cursors.c.watch == sa.bindparam("place")
)
TAKEN = (
    sa.select(items)
    .where(items.c.run == sa.bindparam("of_run"), items.c.state == "taken")
    .order_by(items.c.tries, items.c.place)
)
FREE = (
    sa.select(items.c.id)
    .where(
        items.c.job == sa.bindparam("of_job"),
        items.c.state == "new",
        items.c.next_ms <= sa.bindparam("until_ms"),
    )
    .order_by(items.c.tries, items.c.place)
    .limit(sa.bindparam("most"))
)


class ItemStore:
    """The tables `items` and `cursors`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def cursor(self, job: str, watch: str) -> Any:
        """How far the watcher has looked; None at first, or when it looks somewhere else now."""
        told = {"of_job": job, "place": watch}
        value = await self._database.do(lambda connection: connection.scalar(CURSOR, told))
        return None if value is None else json.loads(value)

    async def store_look(self, job: str, watch: str, *, look: Look) -> list[str]:
        """Store what is new and move the cursor, in one transaction.

        Returns the sentences about new things that cannot be read; each is returned once.
        """
        found_ms = ms(self._clock.now())

        def work(connection: sa.Connection) -> list[str]:
            known = set(
                connection.scalars(
                    sa.select(items.c.id).where(
                        items.c.job == job,
                        items.c.id.in_([item.id for item in found_items(look)]),
                    )
                )
            )
            place = connection.scalar(sa.select(sa.func.max(items.c.place))) or 0
            told = []
            for item, because in found(look):
                if item.id in known:
                    continue
                known.add(item.id)
                place += 1
                row = row_of(job, item, because=because) | {"found_ms": found_ms, "place": place}
                connection.execute(sa.insert(items).values(**row))
                told += [because] if because else []
            connection.execute(sa.delete(cursors).where(cursors.c.job == job))
            connection.execute(
                sa.insert(cursors).values(job=job, watch=watch, value=json.dumps(look.cursor))
            )
            return told

        return await self._database.do(work)

    async def take(self, job: str, run: str, *, limit: int, pausing: bool = False) -> list[Item]:
        """The items this run works on: those it had before a kill, else the oldest new ones.

        `pausing`: also those that pause after a failed try.
        """
        now_ms = ms(self._clock.now())

        def work(connection: sa.Connection) -> list[Item]:
            mine = self._taken(connection, run)
            if mine:
                return mine
            told = {"of_job": job, "until_ms": FOR_EVER_MS if pausing else now_ms, "most": limit}
            new = list(connection.scalars(FREE, told))
            if not new:
                return []
            connection.execute(
                sa.update(items)
                .where(items.c.job == job, items.c.id.in_(new))
                .values(state="taken", run=run)
            )
            mine = self._taken(connection, run)
            connection.execute(sa.update(runs).where(runs.c.id == run).values(items=len(mine)))
            return mine

        return await self._database.do(work)

    async def taken(self, run: str) -> list[Item]:
        """The items this run has, and has not done yet."""
        return await self._database.do(lambda connection: self._taken(connection, run))

    async def of(self, job: str, item_ids: Sequence[str]) -> list[Item]:
        """These items, whatever became of them."""
        if not item_ids:
            return []
        query = sa.select(items).where(items.c.job == job, items.c.id.in_(item_ids))
        return await self._database.do(
            lambda connection: [item_of(row) for row in connection.execute(query)]
        )

    async def put(self, job: str, item: Item) -> bool:
        """Store what was posted; False where it is known already."""
        found_ms = ms(self._clock.now())

        def work(connection: sa.Connection) -> bool:
            known = sa.select(items.c.id).where(items.c.job == job, items.c.id == item.id)
            if connection.execute(known).first() is not None:
                return False
            place = connection.scalar(sa.select(sa.func.max(items.c.place))) or 0
            row = row_of(job, item, because="") | {"found_ms": found_ms, "place": place + 1}
            connection.execute(sa.insert(items).values(**row))
            return True

        return await self._database.do(work)

    async def failed(self, job: str, item_ids: list[str], *, because: str, final: bool) -> None:
        """A try of these items failed, and it was theirs. The last try, or `final`, ends them."""
        over = sa.true() if final else items.c.tries + 1 >= TRIES_MAX
        now = self._clock.now()
        ends_ms = [ms(now + timedelta(seconds=seconds)) for seconds in PAUSES_SECONDS]
        pause = sa.case((items.c.tries == 0, ends_ms[0]), else_=ends_ms[1])

        def work(connection: sa.Connection) -> None:
            connection.execute(
                sa.update(items)
                .where(items.c.job == job, items.c.id.in_(item_ids), items.c.state == "taken")
                .values(
                    tries=items.c.tries + 1,
                    next_ms=pause,
                    error=because,
                    state=sa.case((over, "failed"), else_="new"),
                )
            )

        await self._database.do(work)

    async def waiting(self, job: str, *, limit: int) -> list[Item]:
        """The items that no run has taken yet, in the order in which they would be."""
        query = (
            sa.select(items)
            .where(items.c.job == job, items.c.state == "new")
            .order_by(items.c.tries, items.c.place)
            .limit(limit)
        )
        return await self._database.do(
            lambda connection: [item_of(row) for row in connection.execute(query)]
        )

    async def waiting_count(self, job: str) -> int:
        """How many items wait for a run."""
        query = (
            sa.select(sa.func.count())
            .select_from(items)
            .where(items.c.job == job, items.c.state == "new")
        )
        return await self._database.do(lambda connection: connection.scalar(query) or 0)

    async def unknown(self, job: str, look: Look) -> list[Item]:
        """Those of a look that would be stored; nothing is."""
        ids = [item.id for item in look.items]
        query = sa.select(items.c.id).where(items.c.job == job, items.c.id.in_(ids))
        known = await self._database.do(lambda connection: set(connection.scalars(query)))
        return [item for item in look.items if item.id not in known]

    async def forget_cursor(self, job: str) -> None:
        """The next look is a first one. What was found before stays known."""
        await self._database.do(
            lambda connection: connection.execute(sa.delete(cursors).where(cursors.c.job == job))
        )

    async def of_run(self, run: str) -> list[dict[str, Any]]:
        """Title, state and error of the run's items, to be shown."""
        query = (
            sa.select(items.c.id, items.c.title, items.c.state, items.c.error)
            .where(items.c.run == run)
            .order_by(items.c.place)
        )
        return await self._database.do(
            lambda connection: [dict(row) for row in connection.execute(query).mappings()]
        )

    @staticmethod
    def _taken(connection: sa.Connection, run: str) -> list[Item]:
        return [item_of(row) for row in connection.execute(TAKEN, {"of_run": run})]


def item_of(row: sa.Row[Any]) -> Item:
    """A row as the item it was."""
    return Item(
        row.id,
        row.title,
        row.text,
        row.source,
        bytes_cut=row.bytes_cut,
        author=row.author,
        at=row.at,
        link=row.link,
    )


def found(look: Look) -> list[tuple[Item, str]]:
    """Everything found, each with the reason why it cannot be read, or an empty one."""
    readable = [(item, "") for item in look.items]
    return readable + [(bad.item, bad.because) for bad in look.unreadable]


def found_items(look: Look) -> list[Item]:
    """Everything found."""
    return [item for item, _ in found(look)]


def row_of(job: str, item: Item, *, because: str) -> dict[str, Any]:
    """An item as a new row; one that cannot be read has failed from the start."""
    return {
        "job": job,
        "id": item.id,
        "state": "failed" if because else "new",
        "title": item.title,
        "text": item.text,
        "source": item.source,
        "bytes_cut": item.bytes_cut,
        "author": item.author,
        "at": item.at,
        "link": item.link,
        "error": because,
    }
