"""OpenClaw's sessions of today: rows of a database that is read, and never written to."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import zlib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from tests.ledger.toys import NOON, HandClock
from tests.outside.samples import AT_MS, openclaw
from tests.outside.test_auditor import SPAN, price
from twotier.ledger import outside as kept
from twotier.ledger.book import Book
from twotier.outside import openclaw as claw
from twotier.outside import tables
from twotier.outside.auditor import Auditor, Log
from twotier.outside.tables import line_of, rows, unpacker
from twotier.outside.walk import Cursor, Place

MADE = """
CREATE TABLE transcript_events (
  session_id TEXT NOT NULL, seq INTEGER NOT NULL, event_json TEXT, created_at INTEGER NOT NULL,
  event_zstd BLOB, event_utf8_bytes INTEGER, navigation_json TEXT, PRIMARY KEY (session_id, seq)
) STRICT
"""


def made(folder: Path, name: str = "openclaw-agent.sqlite") -> sqlite3.Connection:
    """An agent's file, as OpenClaw 2026.9 makes it."""
    file = folder / "main" / "agent" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(MADE)
    return connection


def put(connection: sqlite3.Connection, line: bytes, *, packed: bool = False) -> None:
    """One more line."""
    (seq,) = connection.execute("SELECT count(*) FROM transcript_events").fetchone()
    text, blob = (None, zlib.compress(line)) if packed else (line.decode(), None)
    event = ("s", seq, text, AT_MS, blob)
    with connection:
        connection.execute(
            "INSERT INTO transcript_events (session_id, seq, event_json, created_at, event_zstd)"
            " VALUES (?, ?, ?, ?, ?)",
            event,
        )


def look(folder: Path, cursors: dict[str, Cursor], since: float = 0.0) -> list[bytes]:
    """One look; the cursors move on."""
    lines: list[bytes] = []
    place = Place(folder, "*/agent/openclaw-agent.sqlite")
    for piece in rows(place, cursors, since_seconds=since):
        cursors[piece.cursor.key] = piece.cursor
        lines += piece.lines
    return lines


def test_only_new_rows_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In pieces; from the beginning where the table was emptied; while OpenClaw has it open."""
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", 2)
    cursors: dict[str, Cursor] = {}
    writer = made(tmp_path)
    assert look(tmp_path, cursors) == []
    for name in ("a", "b", "c"):
        put(writer, openclaw(name))
    assert look(tmp_path, cursors) == [openclaw(name) for name in ("a", "b", "c")]
    assert look(tmp_path, cursors) == []
    put(writer, openclaw("d"))
    assert look(tmp_path, cursors) == [openclaw("d")]
    with writer:
        writer.execute("DELETE FROM transcript_events")
    put(writer, openclaw("e"))
    assert look(tmp_path, cursors) == [openclaw("e")]
    assert look(tmp_path, {}, since=AT_MS / 1000 + 1) == []
    writer.close()


def test_a_version_that_packs_nothing(tmp_path: Path) -> None:
    """Its table has no column for that."""
    writer = made(tmp_path)
    with writer:
        writer.execute("ALTER TABLE transcript_events DROP COLUMN event_zstd")
        event = ("s", 0, openclaw().decode(), AT_MS)
        writer.execute(
            "INSERT INTO transcript_events (session_id, seq, event_json, created_at)"
            " VALUES (?, ?, ?, ?)",
            event,
        )
    assert look(tmp_path, {}) == [openclaw()]
    writer.close()


def test_packed_lines_are_unpacked_where_that_is_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And once it is possible the file is read again."""
    cursors: dict[str, Cursor] = {}
    writer = made(tmp_path)
    put(writer, openclaw("a"), packed=True)
    monkeypatch.setattr(tables, "unpacker", lambda: None)
    assert look(tmp_path, cursors) == []
    (piece,) = rows(Place(tmp_path, "*/agent/*.sqlite"), cursors, since_seconds=0.0)
    assert piece.unread == 1
    monkeypatch.setattr(tables, "unpacker", lambda: zlib.decompress)
    assert look(tmp_path, cursors) == [openclaw("a")]
    assert len(cursors) == 2
    writer.close()


def test_a_line_that_cannot_be_unpacked_is_none() -> None:
    assert line_of(None, b"broken", unpack=zlib.decompress) == b""
    assert line_of(None, None, unpack=zlib.decompress) == b""
    assert line_of("text", None, unpack=None) == b"text"


@pytest.mark.parametrize("name", ["compression.zstd", "zstandard"])
def test_either_package_unpacks(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Never more than a line may have."""
    bounds: list[int] = []

    def decompress(packed: bytes, bound: int) -> bytes:
        bounds.append(bound)
        return zlib.decompress(packed)

    def stream_reader(packed: bytes) -> SimpleNamespace:
        return SimpleNamespace(read=lambda bound: decompress(packed, bound))

    for one in ("compression.zstd", "zstandard"):
        monkeypatch.setitem(sys.modules, one, None)
    made_of = SimpleNamespace(decompress=decompress, stream_reader=stream_reader)
    module = ModuleType(name)
    module.ZstdDecompressor = lambda: made_of  # type: ignore[attr-defined]
    assert unpacker() is None
    monkeypatch.setitem(sys.modules, "compression", ModuleType("compression"))
    monkeypatch.setitem(sys.modules, name, module)
    unpack = unpacker()
    assert unpack is not None
    assert unpack(zlib.compress(b"line")) == b"line"
    assert bounds == [tables.LINE_BYTES_MAX]


def test_what_could_not_be_read_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packed lines by their number; a file of another shape by what is missing in it."""
    monkeypatch.setattr(tables, "unpacker", lambda: None)

    async def scenario() -> None:
        clock = HandClock(NOON)
        book = await Book.open(tmp_path / "ledger.db", clock=clock)
        place = Place(tmp_path, "*/agent/openclaw-agent.sqlite")
        found = Auditor(book, clock, price, logs=[Log(claw.SOURCE, place, claw.read, rows)])
        writer = made(tmp_path)
        put(writer, openclaw("a"))
        put(writer, openclaw("b"), packed=True)
        try:
            for _ in range(2):
                await found.look()
                assert found.because["openclaw"].startswith("1 lines of its logs are packed")
                await book.flush()
                (told,) = await book.read(lambda connection: kept.found(connection, SPAN))
                assert (told.answers, told.cost_microusd) == (1, 5_425)
            with writer:
                writer.execute("ALTER TABLE transcript_events RENAME TO other")
            await found.look()
            assert "no such table" in found.because["openclaw"]
        finally:
            writer.close()
            await book.close()

    asyncio.run(scenario())
