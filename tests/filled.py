"""Databases as an older version left them: at any revision, with rows in every table.

Made by the migrations themselves, so that nobody has to keep old files or old code.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

ROWS = 7
Rows = dict[str, list[dict[str, Any]]]


def script_of(scripts: Path) -> Config:
    """Alembic's configuration of a folder of migrations."""
    config = Config()
    config.set_main_option("script_location", str(scripts))
    return config


def revisions(scripts: Path) -> list[str]:
    """All of them, the oldest first."""
    found = ScriptDirectory.from_config(script_of(scripts)).walk_revisions()
    return [one.revision for one in found][::-1]


def bring_to(engine: sa.Engine, revision: str, scripts: Path) -> None:
    """Make the tables as they were at that revision."""
    config = script_of(scripts)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def tables(connection: sqlite3.Connection) -> Iterator[str]:
    """The names of all tables but Alembic's."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    for (name,) in connection.execute(f"{query} ORDER BY name").fetchall():
        if name != "alembic_version":
            yield name


def fill(path: Path) -> Rows:
    """Some rows in every table, no two alike; told as `read` does."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in tables(connection):
            columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
            marks = ", ".join("?" * len(columns))
            for number in range(1, ROWS + 1):
                values = [made(name, kind, number) for _, name, kind, *_ in columns]
                connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values)
    return read(path)


def made(name: str, kind: str, number: int) -> str | int:
    """A value of that kind that tells which column and which row it is of."""
    if kind.startswith(("TEXT", "VARCHAR")):
        return f"{name} {number}"
    return number % 2 if kind.startswith("BOOL") else 1_700_000_000_000 + 1_000_003 * number


def read(path: Path) -> Rows:
    """Every row of every table, by column."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return {
            table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
            for table in tables(connection)
        }


def kept(before: Rows, after: Rows) -> list[str]:
    """What of the old rows is not there any more or is another, in words."""
    found = []
    for table, rows in before.items():
        columns = list(rows[0]) if rows else []
        now = [tuple(row.get(name) for name in columns) for row in after.get(table, [])]
        gone = [row for row in rows if tuple(row.values()) not in now]
        found += [f"{table}: {row}" for row in gone]
        if len(now) != len(rows):
            found.append(f"{table}: {len(rows)} rows, and now {len(now)}")
    return found
