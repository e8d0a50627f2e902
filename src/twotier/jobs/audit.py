"""The audit: one line for every call of a tool that a model wanted, and one for what came of it.

Lines are added and never changed, which the database itself sees to; they go when they are
older than `retention.AUDIT_DAYS`. They hold labels, verdict and reason, and the arguments by their
hash alone.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from twotier.agent.turn import Entry
from twotier.domain.clock import Clock
from twotier.jobs.approvals import words
from twotier.jobs.database import Database, insert_new
from twotier.jobs.store import instant, ms
from twotier.jobs.tables import audit

BECAUSE_CHARACTERS_MAX = 300
ESCALATED = "escalated"


class AuditStore:
    """The table `audit`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def note(self, entry: Entry) -> None:
        """Add a line; the same one again, after a kill, is the one there is."""
        row = {
            "run": entry.run,
            "part": entry.key,
            "number": entry.number,
            "event": entry.event,
            "job": entry.job,
            "tool": entry.tool,
            "sha256": entry.arguments_sha256,
            "labels": words(entry.labels),
            "taint": words(entry.taint),
            "verdict": entry.verdict,
            "rule": entry.rule,
            "because": entry.because[:BECAUSE_CHARACTERS_MAX],
            "cost_microusd": entry.cost_microusd,
            "at_ms": ms(self._clock.now()),
        }
        await self._database.do(lambda connection: insert_new(connection, audit, values=row))

    async def may_escalate(self, job: str, *, run: str, times_max: int) -> bool:
        """Whether one more run of the job may go up within a day; a yes is a line of the audit."""
        now_ms = ms(self._clock.now())
        since_ms = ms(self._clock.now() - timedelta(days=1))
        mine = (audit.c.job == job) & (audit.c.event == ESCALATED)
        row = {
            "run": run,
            "part": "",
            "number": 0,
            "event": ESCALATED,
            "job": job,
            "verdict": "allow",
            "rule": "escalate",
            "because": "the job says escalate = true",
            "at_ms": now_ms,
        }

        def work(connection: sa.Connection) -> bool:
            if connection.scalar(sa.select(audit.c.id).where(mine, audit.c.run == run)):
                return True
            counted = sa.select(sa.func.count()).where(mine, audit.c.at_ms > since_ms)
            if (connection.scalar(counted) or 0) >= times_max:
                return False
            connection.execute(sa.insert(audit).values(**row))
            return True

        return await self._database.do(work)

    async def of_run(self, run: str) -> list[dict[str, Any]]:
        """The lines of a run in the order they were added, to be shown."""
        query = sa.select(audit).where(audit.c.run == run).order_by(audit.c.id)
        return await self._database.do(
            lambda connection: [shown(row) for row in connection.execute(query).mappings()]
        )


def shown(row: sa.RowMapping) -> dict[str, Any]:
    """A line as JSON."""
    at = instant(row["at_ms"]).isoformat()
    return {name: value for name, value in row.items() if name not in ("id", "at_ms")} | {"at": at}
