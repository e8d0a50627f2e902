"""The ledger's file: how it is opened, for writing by one, for reading by many.

WAL with synchronous=FULL: a committed row survives a power cut, and readers never wait for the
writer. `fullfsync` makes that true on macOS too, where a plain fsync stops at the drive's own
cache (SQLite's documentation, pragma fullfsync); elsewhere it does nothing.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from twotier.errors import LedgerError

BUSY_SECONDS = 5.0
FILE_MODE = 0o600


def create_private(path: Path) -> None:
    """Make sure the file exists and only its owner may read it; SQLite's side files follow it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, FILE_MODE)
        try:
            os.fchmod(descriptor, FILE_MODE)
        finally:
            os.close(descriptor)
    except OSError as exc:
        raise LedgerError(
            f"the ledger {path} cannot be opened: {exc.strerror}; check the folder's owner and mode"
        ) from exc


def connect(path: Path) -> sqlite3.Connection:
    """A connection for the writer. Transactions are begun and ended by hand.

    The file must exist: one that was taken away under us must not come back as a new, empty one.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA fullfsync=ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def owner_of(path: Path) -> str:
    """The name under which this folder's gateway writes rows; made once, then always the same.

    Raises `LedgerError` if it can be neither read nor made.
    """
    file = path.with_name(f"{path.name}-owner")
    try:
        if not file.exists():
            made = file.with_name(f"{file.name}.new")
            made.write_text(f"gateway-{secrets.token_hex(6)}\n", encoding="ascii")
            made.chmod(FILE_MODE)
            made.replace(file)
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as exc:
        raise LedgerError(
            f"{file}, the name of this gateway in its ledger, cannot be read or made: {exc};"
            " free space on its disk, or remove the file"
        ) from exc


def migrating_engine(path: Path) -> sa.Engine:
    """An engine whose transactions hold the tables' changes too: all of them or none."""
    engine = sa.create_engine(
        "sqlite://", creator=lambda: connect(path), poolclass=sa.pool.NullPool
    )
    sa.event.listen(engine, "begin", lambda conn: conn.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def connect_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Text that is none is read as well as can be."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return connection


def reading_engine(path: Path) -> sa.Engine:
    """An engine with short connections that cannot write, so that the WAL can shrink again."""
    return sa.create_engine(
        "sqlite://", creator=lambda: connect_reading(path), poolclass=sa.pool.NullPool
    )
