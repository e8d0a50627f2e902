"""Runs of which a rule of the owner's kept a request on this machine: they stay here.

Read from the decisions as they were recorded, because the next life of main has to know them.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import sqlalchemy as sa

from twotier.domain.decision import Because
from twotier.ledger.schema import decisions

_BECAUSE = msgspec.json.Decoder(list[Because])


def held_runs(connection: sa.Connection, *, since_ms: int) -> Mapping[str, Because]:
    """Why each run since then was kept here first, the oldest run first."""
    held = sa.and_(decisions.c.held_run != "", decisions.c.created_ms >= since_ms)
    query = sa.select(decisions.c.held_run, decisions.c.because).where(held)
    found: dict[str, Because] = {}
    for run, told in connection.execute(query.order_by(decisions.c.id)):
        found.setdefault(run, _BECAUSE.decode(told)[0])
    return found
