"""Where budgets are going, from the rows of a real file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tests.ledger.test_book import with_book
from tests.ledger.toys import NOON, USD, HandClock, paid, settled
from twotier.domain.money import Budget, Scope
from twotier.errors import BudgetError
from twotier.ledger.book import Book
from twotier.ledger.rows import FIRST_PAID, LAST_PAID, hours_paid, sum_paid

DAY = Budget("day", "day", "UTC", 15 * USD, 40 * USD)
JOBS = Budget("jobs", "day", "UTC", 2 * USD, work="background")
INBOX = Budget("inbox", "day", "UTC", None, 2 * USD, job="inbox")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def spend(book: Book, name: str, microusd: int, *, background: bool = False) -> None:
    await book.reserve(paid(name, microusd, background=background))
    await book.settle(name, settled(microusd))


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
        told = [(one.about, one.key.split(":")[2]) for one in await book.crossings([DAY, JOBS])]
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
        assert await book.crossings([DAY]) == []
        with pytest.raises(BudgetError):
            await book.reserve(paid("a", 41 * USD), [DAY])
        (refused,) = await book.crossings([DAY])
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
        for sql in (FIRST_PAID, LAST_PAID):
            plan = str(connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall())
            assert "SEARCH usage USING COVERING INDEX ix_usage_paid" in plan
