"""How often a look found nothing, and so no model was asked: counted by quarter of an hour.

The rows of quiet runs are forgotten after days; what they saved is asked for after months.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from twotier.jobs.database import Database
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
    one = insert(looks).values(quarter_ms=quarter_ms, job=job, looks=1)
    connection.execute(one.on_conflict_do_update(set_={"looks": looks.c.looks + 1}))


class LookStore:
    """The table `looks`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def between(self, since: datetime, until: datetime) -> list[Looks]:
        """Those of the quarters that lie in this span, in order."""
        span = [(at - _EPOCH) // timedelta(milliseconds=1) for at in (since, until)]
        query = (
            sa.select(looks)
            .where(looks.c.quarter_ms >= span[0], looks.c.quarter_ms < span[1])
            .order_by(looks.c.quarter_ms, looks.c.job)
        )

        def work(connection: sa.Connection) -> list[Looks]:
            return [
                Looks(_EPOCH + timedelta(milliseconds=quarter_ms), job, count)
                for quarter_ms, job, count in connection.execute(query)
            ]

        return await self._database.do(work)
