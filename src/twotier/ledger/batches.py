"""Batches as rows: what waits at a provider for an answer, so that no death forgets or pays twice.

A row is on disk before its request is sent, beside the open row of its attempt, which is not
charged at a start as long as it stands here. No prompt and no answer: what is needed to find the
batch again and to settle what it cost.
"""

from __future__ import annotations

import sqlite3

import msgspec
import sqlalchemy as sa

from twotier.ledger.findings import keep_sql
from twotier.ledger.schema import batches, usage

# Of `BatchRow.state`.
UNSURE, SENT, ENDED = "unsure", "sent", "ended"


class BatchRow(msgspec.Struct, frozen=True):
    """One request in a batch of its own. `attempt` and `expected` are JSON, `request` is a digest.

    `state`: `unsure` whether it was sent, `sent` as `batch_id`, `ended` as `outcome` says. It has
    time until `until_ms`; `ended_ms` is 0 before.
    """

    attempt_id: str
    slot: str
    request: str
    attempt: str
    expected: str
    sent_ms: int
    until_ms: int
    state: str = UNSURE
    batch_id: str = ""
    outcome: str = ""
    ended_ms: int = 0


class Batched(msgspec.Struct, frozen=True):
    """Rows to keep, and the attempts whose rows are over."""

    rows: tuple[BatchRow, ...] = ()
    forget: tuple[str, ...] = ()

    def write(self, connection: sqlite3.Connection) -> None:
        """Inside the transaction."""
        connection.executemany(_KEEP, map(msgspec.structs.astuple, self.rows))
        connection.executemany(_FORGET, [(one,) for one in self.forget])


class KnownBatch(msgspec.Struct, frozen=True):
    """A row of an earlier life, and how its attempt stands in the book; empty: it has no row."""

    row: BatchRow
    settled: str


_KEEP = keep_sql(batches, BatchRow)
_FORGET = "DELETE FROM batches WHERE attempt_id = ?"


def batch_rows(connection: sa.Connection) -> list[KnownBatch]:
    """All of them, the oldest first."""
    joined = batches.outerjoin(usage, usage.c.attempt_id == batches.c.attempt_id)
    query = sa.select(batches, usage.c.settled).select_from(joined).order_by(batches.c.sent_ms)
    found = []
    for row in connection.execute(query).mappings():
        named = {name: row[name] for name in BatchRow.__struct_fields__}
        found.append(KnownBatch(BatchRow(**named), row["settled"] or ""))
    return found
