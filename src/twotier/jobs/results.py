"""Finished answers and their delivery.

An answer is stored, together with its place in the outbox, before anything is delivered: after a
kill it is neither asked for again nor lost. The outbox row carries the path it will write before
it writes, so that a repeated delivery overwrites its own file and no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from twotier.agent.model import Answer
from twotier.domain.clock import Clock
from twotier.domain.job import RunState
from twotier.jobs.database import Database
from twotier.jobs.store import ON_THE_WAY, ms
from twotier.jobs.tables import answers, items, outbox, runs

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


class ResultStore:
    """The tables `answers` and `outbox`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def count_call(self, run: str, answer: Answer) -> None:
        """Add a model call whose answer cannot be used to the run's sums: it was paid for too."""
        await self._database.do(lambda connection: count(connection, run, answer=answer))

    async def store_answer(self, letter: Letter, answer: Answer, *, step: str) -> None:
        """Keep a good answer, count its call and queue its delivery, in one transaction."""
        now_ms = ms(self._clock.now())

        def work(connection: sa.Connection) -> None:
            count(connection, letter.run, answer=answer)
            connection.execute(
                sa.insert(answers).values(
                    run=letter.run,
                    item=letter.key,
                    step=step,
                    text=letter.text,
                    tier=answer.tier,
                    model=answer.model,
                    rule=answer.rule,
                    request=answer.request,
                    tokens=answer.tokens,
                    cost_microusd=answer.cost_microusd,
                    made_ms=now_ms,
                )
            )
            connection.execute(
                sa.insert(outbox).values(
                    run=letter.run,
                    item=letter.key,
                    job=letter.job,
                    target=letter.target,
                    title=letter.title,
                    text=letter.text,
                    state="pending",
                    next_ms=now_ms,
                )
            )

        await self._database.do(work)

    async def letter(self, run: str, key: str) -> Letter | None:
        """The stored result of this part of the run, if there is one, delivered or not."""
        found = await self._letters((outbox.c.run == run) & (outbox.c.item == key))
        return found[0] if found else None

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
        now_ms = ms(self._clock.now())

        def work(connection: sa.Connection) -> None:
            connection.execute(
                sa.update(outbox)
                .where(outbox.c.run == letter.run, outbox.c.item == letter.key)
                .values(state="delivered", delivered_ms=now_ms, error="")
            )
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
        now_ms = ms(self._clock.now())

        def work(connection: sa.Connection) -> None:
            connection.execute(
                sa.update(outbox)
                .where(outbox.c.run == letter.run, outbox.c.item == letter.key)
                .values(state="delivered", delivered_ms=now_ms, error="")
            )
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


def count(connection: sa.Connection, run: str, *, answer: Answer) -> None:
    """Add one model call to the run's sums."""
    change = {
        "model_calls": runs.c.model_calls + 1,
        "tokens": runs.c.tokens + answer.tokens,
        "cost_microusd": runs.c.cost_microusd + answer.cost_microusd,
        "tier": answer.tier,
        "model": answer.model,
    }
    connection.execute(sa.update(runs).where(runs.c.id == run).values(**change))


def done(connection: sa.Connection, job: str, *, item_ids: list[str]) -> None:
    """Items whose answer is stored are done."""
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
