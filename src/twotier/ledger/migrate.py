"""Brings a ledger file to the tables this program knows, in one transaction.

Alembic takes most of a second to import, so it is only asked when there is something to do: the
stored revision is read first and compared with `HEAD`, which a test holds equal to Alembic's own
head.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy as sa

from twotier.errors import LedgerError
from twotier.ledger.store import connect, migrating_engine

HEAD = "0014"
SCRIPTS = Path(__file__).parent / "migrations"


def migrate(path: Path) -> None:
    """Make or change the tables. Raises `LedgerError`; the file is then as it was before."""
    try:
        stored = stored_revision(path)
        if stored != HEAD:
            _upgrade(path, stored)
    except (sqlite3.Error, sa.exc.DBAPIError) as exc:
        raise LedgerError(
            f"the ledger {path} cannot be brought up to date: {exc}; "
            "free disk space if it is full, else move the file aside and restore its last backup"
        ) from exc


def stored_revision(path: Path) -> str:
    """The revision the file is at, empty for a new file. Raises `sqlite3.Error`."""
    connection = connect(path)
    try:
        return revision_of(connection)
    finally:
        connection.close()


def revision_of(connection: sqlite3.Connection) -> str:
    """As `stored_revision`, of an open file."""
    known = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    ).fetchone()
    if not known:
        return ""
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else ""


def _upgrade(path: Path, stored: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    try:
        if stored:
            ScriptDirectory.from_config(config).get_revision(stored)
    except CommandError as exc:
        raise LedgerError(
            f"the ledger {path} was written by a newer twotier (its tables are at {stored}, "
            f"this program knows {HEAD}); install that version again"
        ) from exc
    engine = migrating_engine(path)
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()
