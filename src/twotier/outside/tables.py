"""OpenClaw's sessions of today: one SQLite file for each agent, one row for each line of a log.

The file is opened to be read and never written to. A cursor's offset is the last row that was read;
where the rows end before it, the file was made anew and is read from its beginning. Longer lines
are packed with zstd, which Python can unpack from 3.14 on, or with the package `zstandard`; where
it cannot, they are counted. Once it can, the file has another key, and is read again.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from twotier.outside.walk import Cursor, Piece, Place, files

ROWS_AT_ONCE = 500
WAIT_SECONDS = 2.0
LINE_BYTES_MAX = 4_194_304  # OpenClaw's own bound of what it packs
_NEW = """
SELECT rowid, event_json, event_zstd FROM transcript_events
WHERE rowid > ? AND created_at >= ? ORDER BY rowid LIMIT ?
"""
_NEW_PLAIN = """
SELECT rowid, event_json, NULL FROM transcript_events
WHERE rowid > ? AND created_at >= ? ORDER BY rowid LIMIT ?
"""
_LAST = "SELECT max(rowid) FROM transcript_events"
_PACKED = """
SELECT count(*) FROM transcript_events WHERE event_zstd IS NOT NULL AND created_at >= ?
"""
Unpack = Callable[[bytes], bytes]


def unpacker() -> Unpack | None:
    """How zstd is unpacked here, None where it cannot be."""
    for name in ("compression.zstd", "zstandard"):
        try:
            zstd: Any = importlib.import_module(name)
        except ImportError:
            continue
        if name == "zstandard":
            # Its `decompress` believes what a frame says of its size, whatever bound it is given.
            return lambda packed: bytes(
                zstd.ZstdDecompressor().stream_reader(packed).read(LINE_BYTES_MAX)
            )
        return lambda packed: bytes(zstd.ZstdDecompressor().decompress(packed, LINE_BYTES_MAX))
    return None


def rows(place: Place, cursors: Mapping[str, Cursor], *, since_seconds: float) -> Iterator[Piece]:
    """What is new in each file, as `walk.pieces`; `unread` says how many lines stay packed."""
    unpack = unpacker()
    since_ms = int(since_seconds * 1000)
    for path in files(place, 0.0):  # its side file may be the one that was written to
        key = hashlib.sha256(os.fsencode(path) + (b"+" if unpack else b"-")).hexdigest()[:32]
        cursor, more = cursors.get(key), True
        while more:
            piece = read_on(path, cursor, key=key, since_ms=since_ms, unpack=unpack)
            yield piece
            cursor, more = piece.cursor, piece.more


def read_on(
    path: Path, cursor: Cursor | None, *, key: str, since_ms: int, unpack: Unpack | None
) -> Piece:
    """The next rows of one file. Raises `OSError` where it cannot be read."""
    try:
        about = path.stat()
        with closing(_opened(path)) as connection:
            begin = _offset(connection, cursor, about=about)
            packed = _has_packed(connection)
            asked = _NEW if packed else _NEW_PLAIN
            found = connection.execute(asked, (begin, since_ms, ROWS_AT_ONCE)).fetchall()
            unread = _packed(connection, since_ms) if packed and unpack is None else 0
    except sqlite3.Error as exc:
        raise OSError(0, f"a database of its agents says: {exc}") from exc
    offset = found[-1][0] if found else begin
    lines = [line for _, text, blob in found if (line := line_of(text, blob, unpack=unpack))]
    known = Cursor(key, about.st_dev, about.st_ino, offset)
    return Piece(lines, known, more=len(found) == ROWS_AT_ONCE, unread=unread)


def line_of(text: object, blob: object, *, unpack: Unpack | None) -> bytes:
    """A row as the line of a log; empty where it cannot be read."""
    if isinstance(text, str):
        return text.encode("utf-8", "replace")
    if not isinstance(blob, bytes) or unpack is None:
        return b""
    try:
        return unpack(blob)
    except Exception:  # noqa: BLE001 - either package has errors of its own, which have no base
        return b""


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT_SECONDS)


def _offset(connection: sqlite3.Connection, cursor: Cursor | None, *, about: os.stat_result) -> int:
    """Behind which row to begin."""
    if cursor is None or (cursor.device, cursor.inode) != (about.st_dev, about.st_ino):
        return 0
    (last,) = connection.execute(_LAST).fetchone()
    return cursor.offset if cursor.offset <= (last or 0) else 0


def _has_packed(connection: sqlite3.Connection) -> bool:
    """Whether this version packs lines."""
    names = connection.execute("PRAGMA table_info(transcript_events)").fetchall()
    return any(name == "event_zstd" for _, name, *_ in names)


def _packed(connection: sqlite3.Connection, since_ms: int) -> int:
    """How many lines are packed."""
    (count,) = connection.execute(_PACKED, (since_ms,)).fetchone()
    return int(count)
