"""Finished answers to requests that carry an idempotency key: the only answers that are kept.

One SQLite file beside the ledger, for its owner alone, written by one thread. It is a cache with an
end: an answer goes after its time, and the oldest go when there are too many or they are too large.
What goes is overwritten. The file is made when the first such answer comes; one that cannot be read
is replaced, because nothing in it is needed but for not paying twice.

It never fails a request: what cannot be kept is not, and the log says so.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from twotier.domain.clock import Clock

log = logging.getLogger("twotier.answers")
T = TypeVar("T")

VERSION = 1  # of the tables; a file of another one is replaced
FILE_MODE = 0o600
BUSY_SECONDS = 5.0
SWEEP_SECONDS_MAX = 600.0
Headers = list[tuple[bytes, bytes]]
_HEADERS = msgspec.msgpack.Decoder(Headers)

# What is deleted is overwritten, and the file shrinks. A commit survives the death of the process.
_SETTINGS = """
PRAGMA auto_vacuum = FULL;
PRAGMA secure_delete = ON;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
"""
_TABLES = f"""
BEGIN;
CREATE TABLE answers (
    id INTEGER PRIMARY KEY,
    slot BLOB NOT NULL UNIQUE,
    request BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    status INTEGER NOT NULL,
    headers BLOB NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX answers_at ON answers (at_ms);
PRAGMA user_version = {VERSION};
COMMIT;
"""
_FIND = "SELECT request, status, headers, body FROM answers WHERE slot = ? AND at_ms > ?"
_KEEP = (
    "INSERT OR REPLACE INTO answers (slot, request, at_ms, bytes, status, headers, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_FORGET_OLD = "DELETE FROM answers WHERE at_ms <= ?"
# The youngest stay, as long as their number and their sum allow it.
_FORGET_MANY = """
DELETE FROM answers WHERE id IN (
    SELECT id FROM (
        SELECT id, row_number() OVER young AS number, sum(bytes) OVER young AS total
        FROM answers WINDOW young AS (ORDER BY at_ms DESC, id DESC ROWS UNBOUNDED PRECEDING)
    ) WHERE number > ? OR total > ?
)
"""
_COUNT = "SELECT count(*) FROM answers"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long, how many, and how much of them."""

    seconds: float
    count_max: int
    bytes_max: int


@dataclass(frozen=True, slots=True)
class Stored:
    """One answer as it went out. `request` is the digest of what it answers."""

    request: bytes
    status: int
    headers: Headers
    body: bytes


class Answers:
    """The file, as the loop sees it. `close` it."""

    def __init__(self, path: Path, bounds: Bounds, *, clock: Clock) -> None:
        self.bounds = bounds
        self._file = _File(path, bounds)
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "answers")
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        if path.exists():
            self._sweep()

    async def find(self, slot: bytes) -> Stored | None:
        """The answer under this name that has not had its time; None where none can be read."""
        now_ms = self._now_ms()
        return await self._done(lambda: self._file.find(slot, now_ms), None)

    async def keep(self, slot: bytes, stored: Stored) -> None:
        """Put an answer under this name; returns when a killed process would still have it."""
        now_ms = self._now_ms()
        await self._done(lambda: self._file.keep(slot, stored, now_ms=now_ms), None)
        self._wind_up()

    def close(self) -> None:
        """Write what is left and close the file; blocks for as long as that takes."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._thread.submit(self._file.close)
        self._thread.shutdown(wait=True)

    async def _done(self, work: Callable[[], T], otherwise: T) -> T:
        """What the thread makes of it. A caller who is cancelled does not stop the thread."""
        try:
            return await self._loop.run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError) as exc:
            log.warning("the file of kept answers failed", extra={"because": str(exc)})
            return otherwise

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    def _wind_up(self) -> None:
        """Look again in a while: there may be one that has had its time."""
        if self._timer is None and not self._closed:
            seconds = min(self.bounds.seconds, SWEEP_SECONDS_MAX)
            self._timer = self._loop.call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        self._timer = None
        now_ms = self._now_ms()
        swept = self._loop.run_in_executor(self._thread, lambda: self._file.sweep(now_ms))
        swept.add_done_callback(self._swept)

    def _swept(self, swept: asyncio.Future[int]) -> None:
        """Rest when none is left."""
        if swept.cancelled():
            return
        if (failed := swept.exception()) is not None:
            log.warning("old answers could not be removed", extra={"because": str(failed)})
        elif not swept.result():
            return
        self._wind_up()


class _File:
    """The file itself. Everything here runs on the one thread."""

    def __init__(self, path: Path, bounds: Bounds) -> None:
        self._path = path
        self._bounds = bounds
        self._connection: sqlite3.Connection | None = None

    def find(self, slot: bytes, now_ms: int) -> Stored | None:
        """A kept answer that is not too old. A file that is not there is not made for it."""
        if self._connection is None and not self._path.exists():
            return None

        def look(connection: sqlite3.Connection) -> Stored | None:
            row = connection.execute(_FIND, (slot, self._expired_ms(now_ms))).fetchone()
            if row is None:
                return None
            return Stored(row[0], row[1], _HEADERS.decode(row[2]), row[3])

        return self._with(look)

    def keep(self, slot: bytes, stored: Stored, *, now_ms: int) -> None:
        """Insert it, and let go what is too old or too much."""
        headers = msgspec.msgpack.encode(stored.headers)
        size = len(headers) + len(stored.body)
        row = (slot, stored.request, now_ms, size, stored.status, headers, stored.body)
        self._with(lambda connection: self._change(connection, now_ms, insert=row))

    def sweep(self, now_ms: int) -> int:
        """Let go what is too old or too much; how many are left."""
        return self._with(lambda connection: self._change(connection, now_ms))

    def close(self) -> None:
        """Close it; the next use opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _change(
        self, connection: sqlite3.Connection, now_ms: int, *, insert: tuple[object, ...] = ()
    ) -> int:
        """One transaction; how many rows there are after it."""
        bounds = self._bounds
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            if insert:
                connection.execute(_KEEP, insert)
            gone = connection.execute(_FORGET_OLD, (self._expired_ms(now_ms),)).rowcount
            gone += connection.execute(_FORGET_MANY, (bounds.count_max, bounds.bytes_max)).rowcount
            left = int(connection.execute(_COUNT).fetchone()[0])
        if gone:  # not even the log of the file shall hold them
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return left

    def _expired_ms(self, now_ms: int) -> int:
        return now_ms - int(self._bounds.seconds * 1000)

    def _with(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do it, on a new file where this one turns out to be none, or broken."""
        try:
            return work(self._opened())
        except sqlite3.OperationalError:  # a full disk, a lock: the file is not to blame
            raise
        except (sqlite3.DatabaseError, msgspec.DecodeError) as exc:
            log.warning("kept answers cannot be read and are dropped", extra={"because": str(exc)})
            self._drop()
            return work(self._opened())

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = self._open(_SETTINGS)
            if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                connection.close()
                self._drop()
                connection = self._open(_SETTINGS + _TABLES)
            self._connection = connection
        return self._connection

    def _open(self, script: str) -> sqlite3.Connection:
        """A connection to a file that only its owner may read; SQLite's side files follow it.

        Closed again where the script cannot be run to its end: half a file is of no use.
        """
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, FILE_MODE))
        self._path.chmod(FILE_MODE)
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            connection.executescript(script)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _drop(self) -> None:
        self.close()
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
