"""Where budgets are going, from the rows of a real file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tests.ledger.test_book import with_book
from tests.ledger.toys import NOON, USD, HandClock, paid, settled
from twotier.domain.alert import Condition
from twotier.domain.money import Budget, Scope
from twotier.errors import BudgetError
from twotier.ledger.book import Book
from twotier.ledger.own_time import LAST_PAID
from twotier.ledger.rows import FIRST_PAID, hours_paid, milliseconds, sum_paid

DAY = Budget("day", "day", "UTC", 15 * USD, 40 * USD)
JOBS = Budget("jobs", "day", "UTC", 2 * USD, work="background")
INBOX = Budget("inbox", "day", "UTC", None, 2 * USD, job="inbox")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def spend(book: Book, name: str, microusd: int, *, background: bool = False) -> None:
    await book.reserve(paid(name, microusd, background=background))
    await book.settle(name, settled(microusd))


async def crossed(book: Book, budgets: Sequence[Budget]) -> list[Condition]:
    return [crossing for one in await book.outlooks(budgets) for crossing in one.crossings]


def test_the_pace_of_the_last_hours_is_told_for_each_budgets_own_work(path: Path) -> None:
    """A dollar an hour of a person and a half one of jobs, for five hours; twelve are left."""

    async def scenario(book: Book, clock: HandClock) -> None:
        clock.moment = NOON - timedelta(hours=5)
        for hour in range(5):
            await spend(book, f"p{hour}", USD)
            await spend(book, f"j{hour}", USD // 2, background=True)
            clock.turn(3600)
        every, jobs, inbox = await book.outlooks([DAY, JOBS, INBOX])
        assert every.state.spent_microusd == 7_500_000
        assert every.forecast_microusd == 7_500_000 + 12 * 1_500_000
        assert jobs.forecast_microusd == 2_500_000 + 12 * 500_000
        assert inbox.forecast_microusd is None
        told = [(one.about, one.key.split(":")[2]) for one in await crossed(book, [DAY, JOBS])]
        assert told == [
            ("budget day", "alert-forecast"),
            ("budget day", "alert-50"),
            ("budget jobs", "alert-forecast"),
            *(("budget jobs", f"alert-{percent}") for percent in (50, 80, 100)),
        ]

    with_book(path, scenario)


def test_an_empty_ledger_and_a_refusal_are_told(path: Path) -> None:
    async def scenario(book: Book, clock: HandClock) -> None:
        assert (await book.outlooks([DAY]))[0].forecast_microusd is None
        assert await crossed(book, [DAY]) == []
        with pytest.raises(BudgetError):
            await book.reserve(paid("a", 41 * USD), [DAY])
        (refused,) = await crossed(book, [DAY])
        assert (refused.kind, refused.severity) == ("limit", "urgent")

    with_book(path, scenario)


def test_no_budget_looks_at_a_row(path: Path) -> None:
    """Whatever its scope, an index holds all that its sums need, and its ends are found at once."""

    async def scenario(book: Book, clock: HandClock) -> None:
        await spend(book, "a", 1)

    with_book(path, scenario)
    scopes = [Scope(), Scope(job="x"), Scope(tier="x", model="y"), Scope(work="background")]
    with closing(sqlite3.connect(path)) as connection:
        for make in (sum_paid, hours_paid):
            for scope in scopes:
                sql, values = make(scope, (0, 1))
                plan = str(connection.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall())
                assert "COVERING INDEX ix_usage_paid (created_ms>?" in plan
        plan = str(connection.execute(f"EXPLAIN QUERY PLAN {FIRST_PAID}").fetchall())
        assert "SEARCH usage USING COVERING INDEX ix_usage_paid" in plan
        plan = str(connection.execute(f"EXPLAIN QUERY PLAN {LAST_PAID}", (0, 0)).fetchall())
        assert "COVERING INDEX ix_usage_paid" in plan
        assert "TEMP B-TREE" not in plan


@pytest.mark.parametrize(
    "budget",
    [
        DAY,
        Budget("k", "day", "Asia/Kolkata", client="phone"),
        Budget("t", "week", "UTC", tier="frontier"),
        Budget("m", "month", "America/Los_Angeles", model="claude-opus-4-6"),
        Budget("n", "day", "UTC", tier="local"),
    ],
)
def test_the_kept_sums_say_what_the_rows_say(path: Path, budget: Budget) -> None:
    """Settled and open, over days; what is shown is what decides."""

    async def scenario(book: Book, clock: HandClock) -> None:
        for number in range(30):
            client = ("phone", "laptop")[number % 2]
            await book.reserve(paid(f"a{number}", 1000 + number, client=client))
            if number % 3:
                await book.settle(f"a{number}", settled(500 + number))
            clock.turn(5 * 3600 + 7)
        (seen,) = await book.outlooks([budget])
        span = (milliseconds(seen.state.since), milliseconds(seen.state.resets_at))
        with closing(sqlite3.connect(path)) as connection:
            spent, held = connection.execute(*sum_paid(budget.scope, span)).fetchone()
            hours = connection.execute(*hours_paid(budget.scope, (0, span[1]))).fetchall()
        state = seen.state
        assert (state.spent_microusd, state.reserved_microusd) == (spent or 0, held or 0)
        assert seen.history.hours == {hour: cost for hour, cost in hours if cost}

    with_book(path, scenario)
