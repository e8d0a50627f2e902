"""Single facts about the ledger, by name, in its table `meta`."""

from __future__ import annotations

import sqlite3

HELD = "held"  # why every limit counts as reached until the owner confirms
ROWS_FROM = "rows_from_ms"  # rows that began before were deleted; their sums were not


def get(connection: sqlite3.Connection, key: str) -> str:
    """The fact, empty if there is none."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else ""


def put(connection: sqlite3.Connection, key: str, *, value: str) -> None:
    """Say it, in place of what was said before; empty: say nothing any more."""
    connection.execute("DELETE FROM meta WHERE key = ?", (key,))
    if value:
        connection.execute("INSERT INTO meta (key, value) VALUES (?, ?)", (key, value))
