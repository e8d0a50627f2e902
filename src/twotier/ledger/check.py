"""Is the ledger's file whole? Its structure, its sums against its rows, and how far it had come.

Every question has its time: what is not looked at by then is said to be so, and is looked at in the
background by somebody with more of it. The newest days are compared first, because the limits of
today, this week and this month are summed from them.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from twotier.ledger.meta import ROWS_FROM, get
from twotier.ledger.migrate import HEAD, revision_of
from twotier.ledger.rollups import days_of_rows, differing, moves
from twotier.ledger.schema import metadata
from twotier.ledger.spans import DAY_MS
from twotier.ledger.store import connect_reading

STEPS_BETWEEN_LOOKS = 20_000  # of SQLite's machine: some milliseconds
# What SQLite says of a file that is damaged, or is none of its own.
BROKEN_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_NEVER = sa.literal_column("1") == sa.literal_column("0")
_EVERY_COLUMN = [
    str(sa.select(table).where(_NEVER).compile(dialect=sqlite.dialect()))
    for table in metadata.sorted_tables
]
Monotonic = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Condition:
    """What was found. `broken`: why the file cannot be used, `lost`: why its sums cannot be
    believed, both empty where nothing is wrong. `days` are those whose sums are not their rows'.
    `whole` is False where the time did not reach for all of it.
    """

    broken: str = ""
    lost: str = ""
    days: tuple[int, ...] = ()
    whole: bool = True

    @property
    def well(self) -> bool:
        """Nothing wrong was found."""
        return not (self.broken or self.lost or self.days)


def is_broken(error: BaseException) -> bool:
    """Whether SQLite means the file and not the moment: damaged, or not one of its files."""
    if not isinstance(error, sqlite3.DatabaseError):
        return False
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    undecodable = isinstance(error, sqlite3.OperationalError) and "UTF-8" in str(error)
    missing = "no such table" in str(error) or "no such column" in str(error)
    return code in BROKEN_CODES or undecodable or missing


def examine(
    path: Path, *, seconds: float, seen_moves: int = 0, clock: Monotonic = time.monotonic
) -> Condition:
    """Look at the file for so long. It is only read.

    Raises `sqlite3.Error` for what is no fault of the file: a lock, a full disk.
    """
    began = clock()
    until = [began + seconds / 2, began + seconds]  # half for its structure, the rest for its sums
    try:
        with closing(connect_reading(path)) as connection:
            connection.set_progress_handler(lambda: clock() > until[0], STEPS_BETWEEN_LOOKS)
            structure = _structure(connection)
            if structure.broken:
                return structure
            connection.set_progress_handler(lambda: clock() > until[1], STEPS_BETWEEN_LOOKS)
            return _sums(connection, seen_moves, whole=structure.whole)
    except sqlite3.Error as exc:
        if is_broken(exc):
            return Condition(broken=str(exc))
        raise


def _structure(connection: sqlite3.Connection) -> Condition:
    """Whether pages, tables and indexes hang together."""
    try:
        said = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.OperationalError as exc:
        if exc.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return Condition(whole=False)
    return Condition(broken="" if said == "ok" else said.replace("\n", " "))


def _sums(connection: sqlite3.Connection, seen_moves: int, *, whole: bool) -> Condition:
    """Whether the sums are those of the rows, and as far as they are known to have come."""
    revision = revision_of(connection)
    if revision and not (revision.isdigit() and len(revision) == len(HEAD)):
        return Condition(broken=f"its tables have the version {revision!r}")
    if revision != HEAD:  # an older program's, or nothing yet: there are no sums to look at
        lost = "" if revision or not seen_moves else f"all of {seen_moves} moves"
        return Condition(lost=lost, whole=whole)
    for statement in _EVERY_COLUMN:  # raises where a table or a column has another name
        connection.execute(statement)
    had = moves(connection)
    lost = f"{seen_moves - had} of {seen_moves} moves" if had < seen_moves else ""
    days, all_days = _wrong_days(connection)
    return Condition(lost=lost, days=days, whole=whole and all_days)


def _wrong_days(connection: sqlite3.Connection) -> tuple[tuple[int, ...], bool]:
    """The days that are wrong, the newest first, and whether there was time for all."""
    found: list[int] = []
    try:
        rows_from = int(get(connection, ROWS_FROM) or 0)
        for day in days_of_rows(connection, -(-rows_from // DAY_MS) * DAY_MS):
            connection.execute("BEGIN")  # rows and sums of one moment: the ledger may be open
            found += differing(connection, [day])
            connection.execute("COMMIT")
    except sqlite3.OperationalError as exc:
        if exc.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return tuple(found), False
    return tuple(found), True
