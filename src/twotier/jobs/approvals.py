"""Calls that wait for their owner's yes. A yes is for one call with exactly these arguments.

A row is made when the call is first wanted and found again, by its place in the run and the hash of
its arguments, when the run goes on: with other arguments it is another row, and asks anew. One that
nobody answered in time is a no. What was decided is never decided again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from twotier.agent.course import canonical, digest
from twotier.agent.turn import Decision, Request
from twotier.domain.clock import Clock
from twotier.domain.job import RunState
from twotier.domain.label import Labels
from twotier.errors import NotFoundError, RequestError
from twotier.jobs.database import Database
from twotier.jobs.store import ON_THE_WAY, instant, ms
from twotier.jobs.tables import approvals, runs

ID_CHARACTERS = 12
OLDEST: Sequence[sa.ColumnElement[Any]] = (approvals.c.created_ms, approvals.c.id)


@dataclass(frozen=True, slots=True)
class Approval:
    """One call and what was said of it. `verdict` is empty while it is open, else `yes` or `no`."""

    id: str
    job: str
    run: str
    tool: str
    arguments: str
    sha256: str
    labels: str
    because: str
    source: str
    price_microusd: int
    created_ms: int
    expires_ms: int
    verdict: str
    decided_by: str
    decided_ms: int | None
    told: bool

    @property
    def json(self) -> dict[str, Any]:
        """As it is shown: the exact arguments, times in ISO form."""
        return {
            "id": self.id,
            "job": self.job,
            "run": self.run,
            "tool": self.tool,
            "arguments": json.loads(self.arguments),
            "arguments_sha256": self.sha256,
            "labels": self.labels,
            "because": self.because,
            "source": self.source,
            "price_microusd": self.price_microusd,
            "created_at": instant(self.created_ms).isoformat(),
            "expires_at": instant(self.expires_ms).isoformat(),
            "verdict": self.verdict,
            "decided_by": self.decided_by,
            "decided_at": None if self.decided_ms is None else instant(self.decided_ms).isoformat(),
        }


class ApprovalStore:
    """The table `approvals`."""

    def __init__(self, database: Database, clock: Clock, *, expires_seconds: float) -> None:
        self._database = database
        self._clock = clock
        self._expires = timedelta(seconds=expires_seconds)

    async def asked(self, request: Request) -> Approval:
        """The row of this very call: the one there is, or a new one."""
        row = self._row(request)

        def work(connection: sa.Connection) -> Approval:
            self._close(connection)
            known = sa.select(approvals).where(approvals.c.id == row["id"])
            if connection.execute(known).first() is None:
                connection.execute(sa.insert(approvals).values(**row))
            return approval_of(connection.execute(known).one())

        return await self._database.do(work)

    async def decide(self, approval_id: str, verdict: str, *, by: str, seen: str = "") -> Approval:
        """Say yes or no, once. `seen` is the hash of the arguments that whoever decides has read.
        Raises `NotFoundError`, and `RequestError` for one that is over, or for other arguments.
        """
        if verdict not in ("yes", "no"):
            raise RequestError("say yes or no")
        now_ms = ms(self._clock.now())

        def work(connection: sa.Connection) -> Approval:
            self._close(connection)
            mine = approvals.c.id == approval_id
            row = connection.execute(sa.select(approvals).where(mine)).first()
            if row is None:
                raise NotFoundError(
                    f"nothing waits under {approval_id!r}; `twotier approve` lists what does"
                )
            if seen and row.sha256 != seen:
                raise RequestError(f"{approval_id} has other arguments than those; look at it anew")
            if row.verdict and row.verdict != verdict:
                raise RequestError(f"{approval_id} was answered already: {row.verdict}")
            if not row.verdict:
                change = {"verdict": verdict, "decided_by": by, "decided_ms": now_ms}
                connection.execute(sa.update(approvals).where(mine).values(**change))
            return approval_of(connection.execute(sa.select(approvals).where(mine)).one())

        return await self._database.do(work)

    async def one(self, approval_id: str) -> Approval:
        """One of them. Raises `NotFoundError`."""
        found = await self._select(approvals.c.id == approval_id)
        if not found:
            raise NotFoundError(
                f"nothing waits under {approval_id!r}; `twotier approve` lists what does"
            )
        return found[0]

    async def open(self) -> list[Approval]:
        """Those that wait, oldest first; none of a run that was ended meanwhile. Such a one is open
        again where its run goes on.
        """
        over = sa.select(runs.c.id).where(runs.c.state.not_in(ON_THE_WAY))
        return await self._select((approvals.c.verdict == "") & approvals.c.run.not_in(over))

    async def answered(self, limit: int) -> list[Approval]:
        """The last ones that were answered or ran out, the newest first."""
        newest = approvals.c.decided_ms.desc(), approvals.c.id
        return await self._select(approvals.c.verdict != "", order=newest, limit=limit)

    async def of_run(self, run: str) -> list[Approval]:
        """All of a run, oldest first."""
        return await self._select(approvals.c.run == run)

    async def told(self, approval_id: str) -> None:
        """Its owner has been told of it."""
        query = sa.update(approvals).where(approvals.c.id == approval_id).values(told=True)
        await self._database.do(lambda connection: connection.execute(query))

    async def decided_runs(self) -> list[str]:
        """Runs that wait for an approval, and none of theirs is open any more."""

        def work(connection: sa.Connection) -> list[str]:
            self._close(connection)
            waits = sa.select(approvals.c.run).where(approvals.c.verdict == "")
            query = sa.select(runs.c.id).where(
                runs.c.state == RunState.WAITING.value, runs.c.id.not_in(waits)
            )
            return list(connection.scalars(query))

        return await self._database.do(work)

    def _close(self, connection: sa.Connection) -> None:
        """What nobody answered in time is a no, from the moment it ran out."""
        late = (approvals.c.verdict == "") & (approvals.c.expires_ms <= ms(self._clock.now()))
        change = {"verdict": "no", "decided_by": "time", "decided_ms": approvals.c.expires_ms}
        connection.execute(sa.update(approvals).where(late).values(**change))

    def _row(self, request: Request) -> dict[str, Any]:
        now = self._clock.now()
        arguments = canonical(request.arguments)
        return {
            "id": id_of(request),
            "job": request.job,
            "run": request.run,
            "tool": request.tool,
            "arguments": arguments,
            "sha256": digest(request.arguments),
            "labels": words(request.labels),
            "because": request.because,
            "source": request.source,
            "price_microusd": request.price_microusd,
            "created_ms": ms(now),
            "expires_ms": ms(now + self._expires),
            "verdict": "",
            "decided_by": "",
            "told": False,
        }

    async def _select(
        self,
        where: sa.ColumnElement[bool],
        *,
        order: Sequence[sa.ColumnElement[Any]] = OLDEST,
        limit: int | None = None,
    ) -> list[Approval]:
        query = sa.select(approvals).where(where).order_by(*order).limit(limit)

        def work(connection: sa.Connection) -> list[Approval]:
            self._close(connection)
            return [approval_of(row) for row in connection.execute(query)]

        return await self._database.do(work)


def id_of(request: Request) -> str:
    """The same call of the same run has the same id, and no other has it."""
    place = (request.run, request.key, str(request.number), request.tool, digest(request.arguments))
    return sha256("\0".join(place).encode()).hexdigest()[:ID_CHARACTERS]


def decision_of(approval: Approval) -> Decision | None:
    """What was said, None while nobody did."""
    if not approval.verdict:
        return None
    if approval.decided_by == "time":
        return Decision(False, "nobody approved it in time")
    word = "approved" if approval.verdict == "yes" else "declined"
    return Decision(approval.verdict == "yes", f"{word} by its owner ({approval.decided_by})")


def approval_of(row: sa.Row[Any]) -> Approval:
    """A row as an approval."""
    return Approval(**{name: getattr(row, name) for name in Approval.__slots__})


def words(labels: Labels) -> str:
    """Labels in one text, always in the same order."""
    return " ".join(sorted(label.value for label in labels))
