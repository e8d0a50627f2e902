"""What jobs' settings were: each text that the worker has seen, once, with when and where.

Secrets of addresses are hidden before they come here. A revision is only added: one that comes back
is a new one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from twotier.domain.clock import Clock
from twotier.jobs.api import said
from twotier.jobs.database import Database
from twotier.jobs.store import instant, ms
from twotier.jobs.tables import revisions

KEPT = 100  # of each job; the oldest go


class Revisions:
    """The table, and the part of the worker's private API about it.

    GET /jobs/{name}/revisions -> {"revisions": [{number, seen_at, place, text}]}, the newest first
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def routes(self) -> list[BaseRoute]:
        """For `Api.app`."""
        return [Route("/jobs/{name}/revisions", self._shown)]

    async def note(self, texts: Iterable[tuple[str, str, str]]) -> None:
        """Jobs as they are now: name, text, place. What is as it was before is not noted again."""
        now_ms = ms(self._clock.now())

        def work(connection: sa.Connection) -> None:
            for job, text, place in texts:
                last = connection.execute(newest(job).limit(1)).first()
                if last is not None and last.text == text:
                    continue
                number = 1 if last is None else last.number + 1
                row = {"job": job, "number": number, "text": text, "place": place}
                connection.execute(sa.insert(revisions).values(**row, seen_ms=now_ms))
                old = (revisions.c.job == job) & (revisions.c.number <= number - KEPT)
                connection.execute(sa.delete(revisions).where(old))

        await self._database.do(work)

    async def of(self, job: str) -> list[dict[str, Any]]:
        """Those of a job, the newest first."""

        def work(connection: sa.Connection) -> list[dict[str, Any]]:
            return [
                {
                    "number": row.number,
                    "seen_at": instant(row.seen_ms).isoformat(),
                    "place": row.place,
                    "text": row.text,
                }
                for row in connection.execute(newest(job))
            ]

        return await self._database.do(work)

    async def _shown(self, request: Request) -> JSONResponse:
        return said({"revisions": await self.of(request.path_params["name"])})


def newest(job: str) -> sa.Select[Any]:
    """The revisions of a job, the newest first."""
    return sa.select(revisions).where(revisions.c.job == job).order_by(revisions.c.number.desc())
