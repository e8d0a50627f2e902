"""Finished answers and their delivery.

An answer is stored, together with its place in the outbox, before anything is delivered: after a
kill it is neither asked for again nor lost. The outbox row carries the path it will write before
it writes, so that a repeated delivery overwrites its own file and no other.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import sqlalchemy as sa

from twotier.agent.model import Answer
from twotier.domain.clock import Clock
from twotier.domain.job import RunState
from twotier.jobs.database import Database, insert_new
from twotier.jobs.store import ON_THE_WAY, ms
from twotier.jobs.tables import answers, calls, items, outbox, runs
from twotier.jobs.usual import usual
from twotier.verify.guards import Usual

# What every run asks for, made once: to make a statement costs more than to execute it.
_THIS_RUN = runs.c.id == sa.bindparam("of_run")
JOB_OF = sa.select(runs.c.job).where(_THIS_RUN)
COUNT = (
    sa.update(runs)
    .where(_THIS_RUN)
    .values(
        model_calls=runs.c.model_calls + 1,
        tokens=runs.c.tokens + sa.bindparam("more_tokens"),
        cost_microusd=runs.c.cost_microusd + sa.bindparam("more_microusd"),
        tier=sa.bindparam("by_tier"),
        model=sa.bindparam("by_model"),
    )
)
_THIS_LETTER = (outbox.c.run == sa.bindparam("of_run"), outbox.c.item == sa.bindparam("key"))
LETTER = (
    sa.select(outbox)
    .join(answers, (answers.c.run == outbox.c.run) & (answers.c.item == outbox.c.item))
    .where(*_THIS_LETTER)
    .order_by(answers.c.made_ms)
)
STORED = (
    sa.select(outbox.c.item)
    .join(answers, (answers.c.run == outbox.c.run) & (answers.c.item == outbox.c.item))
    .where(outbox.c.run == sa.bindparam("of_run"))
)
DELIVERED = (
    sa.update(outbox)
    .where(*_THIS_LETTER)
    .values(state="delivered", delivered_ms=sa.bindparam("now_ms"), error="")
)
RETRY_SECONDS = (10.0, 30.0, 120.0, 600.0, 3_600.0)  # the last one goes on


@dataclass(frozen=True, slots=True)
class Letter:
    """One result on its way. `key` is the item's id, or `all` for an answer about all of them."""

    run: str
    key: str
    job: str
    target: str
    title: str
    text: str
    path: str = ""
    tries: int = 0
    delivered: bool = False


class Counted(Protocol):
    """A model call as far as it is counted."""

    @property
    def tier(self) -> str:
        """The tier that answered."""
        ...

    @property
    def model(self) -> str:
        """The model that answered."""
        ...

    @property
    def request(self) -> str:
        """What main calls it."""
        ...

    @property
    def tokens(self) -> int:
        """In and out."""
        ...

    @property
    def cost_microusd(self) -> int:
        """What it cost."""
        ...


class ResultStore:
    """The tables `answers`, `calls` and `outbox`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def count_call(
        self, run: str, answer: Counted, *, step: str, elsewhere: bool = False
    ) -> None:
        """Add a model call to the run's sums, once; `elsewhere`: its local tier was down.

        An answer that cannot be used was paid for too.
        """
        now_ms = ms(self._clock.now())

        def work(connection: sa.Connection) -> None:
            values = {
                "run": run,
                "step": step,
                "job": connection.scalar(JOB_OF, {"of_run": run}) or "",
                "tier": answer.tier,
                "model": answer.model,
                "request": answer.request,
                "tokens": answer.tokens,
                "cost_microusd": answer.cost_microusd,
                "elsewhere": elsewhere,
                "made_ms": now_ms,
            }
            if insert_new(connection, calls, values=values):
                connection.execute(COUNT, counted(run, answer))

        await self._database.do(work)

    async def spent_elsewhere(self, job: str, *, since: datetime) -> int:
        """What the job's calls on the frontier tier cost while its local tier was down."""
        query = sa.select(sa.func.coalesce(sa.func.sum(calls.c.cost_microusd), 0)).where(
            calls.c.job == job, calls.c.elsewhere, calls.c.made_ms >= ms(since)
        )
        return int(await self._database.do(lambda connection: connection.scalar(query)) or 0)

    async def usual(self, job: str, *, tiers: Set[str]) -> Usual:
        """What earlier runs of the job needed on these tiers."""
        return await self._database.do(lambda connection: usual(connection, job, tiers=tiers))

    async def store_answer(self, letter: Letter, answer: Answer, *, step: str) -> None:
        """Keep a good answer and queue its delivery, in one transaction; a second time is none."""
        now_ms = ms(self._clock.now())
        kept = {
            "run": letter.run,
            "item": letter.key,
            "step": step,
            "text": letter.text,
            "tier": answer.tier,
            "model": answer.model,
            "rule": answer.rule,
            "request": answer.request,
            "tokens": answer.tokens,
            "cost_microusd": answer.cost_microusd,
            "made_ms": now_ms,
        }
        queued = {
            "run": letter.run,
            "item": letter.key,
            "job": letter.job,
            "target": letter.target,
            "title": letter.title,
            "text": letter.text,
            "state": "pending",
            "next_ms": now_ms,
        }

        def work(connection: sa.Connection) -> None:
            if insert_new(connection, outbox, values=queued):
                insert_new(connection, answers, values=kept)

        await self._database.do(work)

    async def letter(self, run: str, key: str) -> Letter | None:
        """The stored result of this part of the run, if there is one, delivered or not."""
        told = {"of_run": run, "key": key}
        row = await self._database.do(lambda connection: connection.execute(LETTER, told).first())
        return None if row is None else letter_of(row)

    async def stored(self, run: str) -> set[str]:
        """The parts of the run that have a stored result."""
        told = {"of_run": run}
        return await self._database.do(lambda connection: set(connection.scalars(STORED, told)))

    async def due_letters(self) -> list[Letter]:
        """Results of ended runs whose next try is due, oldest first."""
        ended = sa.select(runs.c.id).where(runs.c.state.not_in(ON_THE_WAY))
        return await self._letters(
            (outbox.c.state == "pending")
            & (outbox.c.next_ms <= ms(self._clock.now()))
            & outbox.c.run.in_(ended)
        )

    async def plan_path(self, letter: Letter, path: str) -> None:
        """Remember the file this letter is about to write, before it is written."""
        await self._change(letter, {"path": path})

    async def delivered(self, letter: Letter, item_ids: list[str]) -> None:
        """The result is where it should be; its items are done. One transaction."""
        told = {"of_run": letter.run, "key": letter.key, "now_ms": ms(self._clock.now())}

        def work(connection: sa.Connection) -> None:
            connection.execute(DELIVERED, told)
            done(connection, letter.job, item_ids=item_ids)

        await self._database.do(work)

    async def undelivered(self, letter: Letter, item_ids: list[str], *, because: str) -> None:
        """This try failed. The answer is kept and tried again later, so the items are done."""
        wait_seconds = RETRY_SECONDS[min(letter.tries, len(RETRY_SECONDS) - 1)]
        next_ms = ms(self._clock.now() + timedelta(seconds=wait_seconds))

        def work(connection: sa.Connection) -> None:
            connection.execute(
                sa.update(outbox)
                .where(outbox.c.run == letter.run, outbox.c.item == letter.key)
                .values(tries=outbox.c.tries + 1, next_ms=next_ms, error=because)
            )
            done(connection, letter.job, item_ids=item_ids)

        await self._database.do(work)

    async def delivered_later(self, letter: Letter, place: str) -> None:
        """A result arrived after its run had ended: once all have, the run is late, not failed."""
        told = {"of_run": letter.run, "key": letter.key, "now_ms": ms(self._clock.now())}

        def work(connection: sa.Connection) -> None:
            connection.execute(DELIVERED, told)
            waiting = sa.select(outbox.c.item).where(
                outbox.c.run == letter.run, outbox.c.state == "pending"
            )
            only_delivery = runs.c.because.startswith("delivery: ", autoescape=True)
            if connection.execute(waiting).first() is None:
                connection.execute(
                    sa.update(runs)
                    .where(runs.c.id == letter.run, only_delivery)
                    .values(
                        state=RunState.LATE.value,
                        because=f"delivered after {letter.tries + 1} tries",
                        result=place,
                    )
                )

        await self._database.do(work)

    async def of_run(self, run: str) -> list[dict[str, Any]]:
        """Answers of a run with how their delivery stands, to be shown."""
        query = (
            sa.select(
                outbox.c.item,
                outbox.c.title,
                answers.c.text,
                answers.c.tier,
                answers.c.model,
                answers.c.rule,
                answers.c.cost_microusd,
                outbox.c.state.label("delivery"),
                outbox.c.target,
                outbox.c.path,
                outbox.c.tries,
                outbox.c.error,
            )
            .join(answers, (answers.c.run == outbox.c.run) & (answers.c.item == outbox.c.item))
            .where(outbox.c.run == run)
            .order_by(answers.c.made_ms)
        )
        return await self._database.do(
            lambda connection: [dict(row) for row in connection.execute(query).mappings()]
        )

    async def _letters(self, where: sa.ColumnElement[bool]) -> list[Letter]:
        query = (
            sa.select(outbox)
            .join(answers, (answers.c.run == outbox.c.run) & (answers.c.item == outbox.c.item))
            .where(where)
            .order_by(answers.c.made_ms)
        )
        return await self._database.do(
            lambda connection: [letter_of(row) for row in connection.execute(query)]
        )

    async def _change(self, letter: Letter, change: dict[str, Any]) -> None:
        query = (
            sa.update(outbox)
            .where(outbox.c.run == letter.run, outbox.c.item == letter.key)
            .values(**change)
        )
        await self._database.do(lambda connection: connection.execute(query))


def counted(run: str, answer: Counted) -> dict[str, Any]:
    """One more model call, for `COUNT`."""
    return {
        "of_run": run,
        "more_tokens": answer.tokens,
        "more_microusd": answer.cost_microusd,
        "by_tier": answer.tier,
        "by_model": answer.model,
    }


def done(connection: sa.Connection, job: str, *, item_ids: list[str]) -> None:
    """Items whose answer is stored are done."""
    if not item_ids:
        return
    connection.execute(
        sa.update(items)
        .where(items.c.job == job, items.c.id.in_(item_ids))
        .values(state="done", error="")
    )


def letter_of(row: sa.Row[Any]) -> Letter:
    """A row as a letter."""
    return Letter(
        run=row.run,
        key=row.item,
        job=row.job,
        target=row.target,
        title=row.title,
        text=row.text,
        path=row.path,
        tries=row.tries,
        delivered=row.state == "delivered",
    )
