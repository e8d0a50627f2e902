"""Rows as files: all of them, in order, for their owner alone; names of clients are no formulas."""

from __future__ import annotations

import asyncio
import csv
import stat
import sys
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.ledger.test_rollups import life
from tests.ledger.toys import NOON, HandClock, free, settled
from twotier.errors import LedgerError, UsageError
from twotier.ledger.book import Book
from twotier.ledger.export import COLUMNS, write_csv, write_parquet

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "ledger.db"

    async def lived() -> None:
        clock = HandClock()
        book = await Book.open(path, clock=clock)
        await life(book, clock, seed=5)
        book.record(replace(free("formula"), model_asked='=HYPERLINK("x")'), settled())
        await book.close()

    asyncio.run(lived())
    return path


def test_every_row_is_a_line_of_csv(ledger: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    count = write_csv(ledger, file, since=NOON - DAY, until=NOON + 90 * DAY)
    with file.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == count
    assert [row["created"] for row in rows] == sorted(row["created"] for row in rows)
    (odd,) = [row for row in rows if row["attempt_id"] == "formula"]
    assert odd["model_asked"] == '\'=HYPERLINK("x")'
    assert odd["created"].startswith("2026-03-1")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]
    assert 0 < write_csv(ledger, file, since=NOON, until=NOON + DAY) < count


def test_what_cannot_be_read_or_written_is_named(ledger: Path, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be read"):
        write_csv(tmp_path / "none.db", tmp_path / "rows.csv", since=NOON, until=NOON + DAY)
    with pytest.raises(LedgerError, match=r"rows\.csv cannot be written: No such file"):
        write_csv(ledger, tmp_path / "no" / "rows.csv", since=NOON, until=NOON + DAY)
    assert not list(tmp_path.iterdir())


def test_what_somebody_laid_in_its_way_is_not_written_into(ledger: Path, tmp_path: Path) -> None:
    """A link that has the name it has for a moment, in a folder for all."""
    (tmp_path / "other").touch()
    (tmp_path / ".rows.csv.part").symlink_to(tmp_path / "other")
    assert write_csv(ledger, tmp_path / "rows.csv", since=NOON - DAY, until=NOON + 90 * DAY)
    assert not (tmp_path / "rows.csv").is_symlink()
    assert (tmp_path / "other").read_bytes() == b""


def test_without_its_package_parquet_says_what_to_install(
    ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match=r"pip install 'twotier\[parquet\]'"):
        write_parquet(ledger, tmp_path / "rows.parquet", since=NOON - DAY, until=NOON + 90 * DAY)
    assert list(tmp_path.glob("rows*")) == []


def test_parquet_has_the_same_rows_with_their_types(ledger: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    count = write_parquet(ledger, file, since=NOON - DAY, until=NOON + 90 * DAY)
    table = import_module("pyarrow.parquet").read_table(file)
    assert tuple(table.column_names) == COLUMNS
    assert table.num_rows == count
    assert str(table.schema.field("created").type) == "timestamp[ms, tz=UTC]"
    assert str(table.schema.field("cost_microusd").type) == "int64"
