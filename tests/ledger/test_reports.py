"""Reading works on the file alone, while the book is open and after it was closed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from tests.ledger.toys import NOON, HandClock, daily, paid
from twotier.domain.money import Outcome, Settled, Settlement
from twotier.errors import LedgerError, UsageError
from twotier.ledger.book import Book
from twotier.ledger.reports import Reports


def test_the_command_line_may_read_what_nobody_writes(tmp_path: Path) -> None:
    path = tmp_path / "a ledger?.db"  # a name that a URI must escape

    async def written() -> None:
        book = await Book.open(path, clock=HandClock())
        await book.reserve(paid("a", 10))
        assert [row.attempt_id for row in Reports(path).recent(9)] == ["a"]
        await book.close()

    asyncio.run(written())
    reports = Reports(path)
    (row,) = reports.spend(by="tier", since=NOON, until=NOON + timedelta(hours=1))
    assert row.reserved_microusd == 10
    (state,) = reports.budgets([daily(100)], NOON)
    assert state.reserved_microusd == 10


def test_a_ledger_that_is_not_there_is_an_error_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be read"):
        Reports(tmp_path / "none.db").recent(1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("by", "zone", "says"), [("mood", "UTC", "tier"), ("day", "Mars", "IANA")])
def test_a_wrong_question_is_named(tmp_path: Path, by: str, zone: str, says: str) -> None:
    reports = Reports(tmp_path / "none.db")
    with pytest.raises(UsageError, match=says):
        reports.spend(by=by, since=NOON, until=NOON, zone=zone)


def test_repairs_are_summed_by_model_since_then(tmp_path: Path) -> None:
    """Each kind as often as it was; attempts without any are in no sum."""
    path = tmp_path / "ledger.db"
    clock = HandClock()

    async def written() -> None:
        book = await Book.open(path, clock=clock)
        for name, repairs in (("a", ("leaked", "types")), ("b", ()), ("c", ("leaked", "cut"))):
            await book.reserve(paid(name, 10))
            end = Settlement(Settled.SETTLED, Outcome.OK, 1, repairs=repairs)
            await book.settle(name, end)
        (row,) = await book.repairs(NOON - timedelta(days=7))
        assert (row.tier, row.model) == ("frontier", "anthropic/claude-opus-4-6")
        assert row.kinds == {"leaked": 2, "types": 1, "cut": 1}
        assert await book.repairs(NOON + timedelta(days=7)) == []
        await book.close()

    asyncio.run(written())
