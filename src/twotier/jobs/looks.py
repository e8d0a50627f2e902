"""How often a look found nothing, and so no model was asked: counted by quarter of an hour.

The rows of quiet runs are forgotten after days; what they saved is asked for after months.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import sqlalchemy as sa

from twotier.jobs.database import insert_in
from twotier.jobs.tables import looks

QUARTER = timedelta(minutes=15)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Looks:
    """So many looks of a job that found nothing, in the quarter of an hour that began then."""

    quarter: datetime
    job: str
    count: int


def count_look(connection: sa.Connection, job: str, *, slot: datetime) -> None:
    """One more, in the transaction that ends its run."""
    quarter_ms = (slot - _EPOCH) // QUARTER * QUARTER // timedelta(milliseconds=1)
    row = {"quarter_ms": quarter_ms, "job": job, "looks": 1}
    connection.execute(_one_more(connection.dialect.name), row)


@cache
def _one_more(dialect: str) -> sa.Insert:
    """Made once: to make a statement costs more than to execute it."""
    key = [looks.c.quarter_ms, looks.c.job]
    more = {"looks": looks.c.looks + 1}
    upsert: sa.Insert = insert_in(dialect, looks).on_conflict_do_update(
        index_elements=key, set_=more
    )
    return upsert


def looks_between(connection: sa.Connection, *, since: datetime, until: datetime) -> list[Looks]:
    """Those of the quarters that begin in this span, in order."""
    first, last = ((at - _EPOCH) // timedelta(milliseconds=1) for at in (since, until))
    query = (
        sa.select(looks)
        .where(looks.c.quarter_ms >= first, looks.c.quarter_ms < last)
        .order_by(looks.c.quarter_ms, looks.c.job)
    )
    return [
        Looks(_EPOCH + timedelta(milliseconds=quarter_ms), job, count)
        for quarter_ms, job, count in connection.execute(query)
    ]
