"""Verdicts as rows: what became of a piece of work, one row each, never its text.

Written behind like findings. Of a key and tier only the newest rows are kept: what is older weighs
next to nothing. The same piece told again replaces its row; who may replace what is decided by
whoever hands it over.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from twotier.domain.verdict import Judgement
from twotier.ledger.findings import keep_sql
from twotier.ledger.schema import judgements

ROWS_MAX = 50  # of a key and tier
DAYS_MAX = 400.0
DAY_MS = 86_400_000


class Judged(msgspec.Struct, frozen=True):
    """Judgements on their way to the file."""

    rows: tuple[Judgement, ...]

    def write(self, connection: sqlite3.Connection) -> None:
        """Inside the transaction."""
        connection.executemany(_KEEP, map(msgspec.structs.astuple, self.rows))
        for key, tier in dict.fromkeys((row.key, row.tier) for row in self.rows):
            connection.execute(_TRIM, (key, tier, ROWS_MAX))


class Forgotten(msgspec.Struct, frozen=True):
    """What was known under a key, or was before an instant, is forgotten."""

    key: str = ""
    before_ms: int = 0

    def write(self, connection: sqlite3.Connection) -> None:
        """Inside the transaction."""
        connection.execute(_FORGET, (self.key, self.before_ms))


_KEEP = keep_sql(judgements, Judgement)
_TRIM = (
    "DELETE FROM judgements WHERE id IN (SELECT id FROM judgements WHERE key = ? AND tier = ?"
    " ORDER BY at_ms DESC, id LIMIT -1 OFFSET ?)"
)
_FORGET = "DELETE FROM judgements WHERE key = ? OR at_ms < ?"


def judgement_rows(connection: sa.Connection) -> Sequence[Judgement]:
    """All that is kept, the oldest first."""
    found = connection.execute(sa.select(judgements).order_by(judgements.c.at_ms, judgements.c.id))
    return [Judgement(**row) for row in found.mappings()]
