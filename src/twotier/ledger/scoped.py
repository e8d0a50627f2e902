"""What the work of a budget has cost, for reading: from the kept sums where they know it.

The sums of quarter-hours know all work, and that of one client, job, tier or model; a month of them
is read in milliseconds however many rows it had. What is more particular is summed from its rows.
Whoever decides reads rows, because sums are brought up to date at the end of a transaction only.
"""

from __future__ import annotations

import sqlalchemy as sa

from twotier.domain.money import Scope
from twotier.ledger.rollups import DIMENSIONS
from twotier.ledger.rows import HOUR_MS, hours_paid, sum_paid
from twotier.ledger.schema import rollups
from twotier.ledger.spans import Span


def spent_and_held(connection: sa.Connection, scope: Scope, *, span: Span) -> tuple[int, int]:
    """In micro-dollars. A period begins and ends with a quarter of an hour in any zone of today."""
    within = _within(scope, span)
    if within is None:
        spent, held = connection.exec_driver_sql(*sum_paid(scope, span)).one()
    else:
        sums = (sa.func.sum(rollups.c.cost_microusd), sa.func.sum(rollups.c.reserved_microusd))
        spent, held = connection.execute(sa.select(*sums).where(within)).one()
    return spent or 0, held or 0


def by_hour(connection: sa.Connection, scope: Scope, *, span: Span) -> dict[int, int]:
    """Micro-dollars by hours since 1970 in UTC; hours that cost nothing may be left out."""
    within = _within(scope, span)
    if within is None:
        rows = connection.exec_driver_sql(*hours_paid(scope, span)).all()
    else:
        hour, cost = rollups.c.start_ms // HOUR_MS, sa.func.sum(rollups.c.cost_microusd)
        rows = [*connection.execute(sa.select(hour, cost).where(within).group_by(hour))]
    return {int(hour): cost for hour, cost in rows if cost}


def _within(scope: Scope, span: Span) -> sa.ColumnElement[bool] | None:
    """Which sums are those of this scope; None where there are none."""
    wanted = [(name, value) for name, value in scope._asdict().items() if value]
    if len(wanted) > 1 or any(name not in DIMENSIONS for name, _ in wanted):
        return None
    dimension, key = wanted[0] if wanted else ("", "")
    start = rollups.c.start_ms
    return sa.and_(
        rollups.c.grain == ("quarter" if wanted else "quarter_total"),
        start >= span[0],
        start < span[1],
        rollups.c.dimension == dimension,
        rollups.c.key == key,
    )
