"""A ledger of any earlier version is opened: every row is as it was, and the sums are the same."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.filled import bring_to, fill, kept, read, revisions
from tests.ledger.toys import NOON, HandClock, daily
from twotier.ledger.book import Book
from twotier.ledger.migrate import HEAD, SCRIPTS, migrate, stored_revision
from twotier.ledger.store import create_private, migrating_engine

OLD = revisions(SCRIPTS)[:-1]
COSTS = (1_000, 20_000, 300_000)


def old(folder: Path, revision: str) -> Path:
    """An empty file of that version."""
    path = folder / "ledger.db"
    create_private(path)
    engine = migrating_engine(path)
    bring_to(engine, revision, SCRIPTS)
    engine.dispose()
    assert stored_revision(path) == revision
    return path


@pytest.mark.parametrize("revision", OLD)
def test_every_row_of_every_table_is_kept(tmp_path: Path, revision: str) -> None:
    """Whatever stands in it, in all columns that there were."""
    path = old(tmp_path, revision)
    before = fill(path)
    assert all(before.values()), "a table without rows proves nothing"
    migrate(path)
    assert stored_revision(path) == HEAD
    assert kept(before, read(path)) == []


@pytest.mark.parametrize("revision", OLD)
def test_what_was_spent_stays_spent(tmp_path: Path, revision: str) -> None:
    """Settled rows by day, and one that a killed main left open: charged at its bound."""
    path = old(tmp_path, revision)
    today = int(NOON.timestamp() * 1_000)
    with closing(sqlite3.connect(path)) as connection, connection:
        for number, cost in enumerate(COSTS):
            row(connection, attempt_id=f"a{number}", created_ms=today - 1_000, cost_microusd=cost)
        open_row = {"settled": "open", "outcome": "", "reserved_microusd": 7_000}
        row(connection, attempt_id="open", created_ms=today - 500, **open_row)

    async def opened() -> None:
        book = await Book.open(path, clock=HandClock(), owner="gateway")
        rows = {one.attempt_id: one for one in await book.recent(9)}
        assert [rows[f"a{n}"].cost_microusd for n in range(len(COSTS))] == list(COSTS)
        assert (rows["open"].settled, rows["open"].cost_microusd) == ("unknown", 7_000)
        (state,) = await book.budgets([daily(10_000_000)])
        assert (state.spent_microusd, state.reserved_microusd) == (sum(COSTS) + 7_000, 0)
        await book.close()

    asyncio.run(opened())


def row(connection: sqlite3.Connection, **known: Any) -> None:
    """One paid request, as far as the columns of that version tell it."""
    usual = {"settled": "settled", "outcome": "ok", "kind": "request", "provider": "anthropic"}
    values = {"request_id": known["attempt_id"], "tier": "frontier", "model": "m"} | usual | known
    columns = connection.execute("PRAGMA table_info(usage)").fetchall()
    marks = ", ".join("?" * len(columns))
    told = [values.get(one[1], "" if one[2] == "TEXT" else 0) for one in columns]
    connection.execute(f"INSERT INTO usage VALUES ({marks})", told)
