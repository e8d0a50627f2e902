"""Looks at everything a person would look at, every few seconds, and says what holds to the desk.

Deciding is done in `alerts.conditions`; here the parts are asked. A part that cannot be asked says
nothing. The ping goes to a service elsewhere that alerts when it hears none: nothing that runs here
could report its own end. It is sent while main and the worker are both well, and after some minutes
in which they are not, the address with `/fail` is asked instead.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import msgspec

from twotier.alerts import conditions
from twotier.alerts.conditions import WORKER, Lasting, Limits
from twotier.alerts.desk import Alerts
from twotier.alerts.upstreams import Upstreams
from twotier.domain.clock import Clock
from twotier.domain.job import JobStanding
from twotier.domain.money import Attempt, Budget, BudgetState, Settlement
from twotier.domain.tier import TierFacts
from twotier.errors import DeliveryError, LedgerError
from twotier.ledger.book import Book
from twotier.notify.http import ping
from twotier.router.drift import Drift

log = logging.getLogger("twotier.alerts")
LOOK_SECONDS = 15
SOON_SECONDS = 1.0
OVERDUE_SECONDS = 90.0  # of real time: a machine that was asleep catches up within 30 s
ANSWER_SECONDS = 10.0
AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class Ping:
    """Where to say that all is well, empty for nowhere, and how often."""

    url: str = ""
    every_seconds: float = 300.0


def to_nobody(_: Sequence[BudgetState]) -> None:
    """Where nobody wants to hear of it."""


def nothing() -> Sequence[Drift]:
    """No tier does worse than before."""
    return ()


@dataclass(frozen=True, slots=True)
class Sources:
    """Whom to ask. `servers` are minded on this machine, the worker among them; `tiers` are all;
    `standings` returns None where the worker does not answer. `spent` hears how budgets stand.
    """

    servers: Callable[[], Mapping[str, TierFacts]]
    tiers: Sequence[str]
    budgets: Callable[[], Sequence[Budget]]
    ports: Callable[[], Mapping[str, str]]
    standings: Callable[[], Awaitable[list[JobStanding] | None]]
    book: Book
    spent: Callable[[Sequence[BudgetState]], None] = to_nobody
    drifts: Callable[[], Sequence[Drift]] = nothing


@dataclass(slots=True)
class Lookout:
    """One call is a pause and a look. `hear` is told of every attempt's end."""

    desk: Alerts
    sources: Sources
    clock: Clock
    upstreams: Upstreams
    limits: Limits
    ping: Ping
    _down: Lasting = field(default_factory=Lasting)
    _late: Lasting = field(default_factory=Lasting)
    _ill: Lasting = field(default_factory=Lasting)
    _soon: bool = True  # what was spent, or a start, is no reason to wait
    _met: bool = False  # the worker has answered once
    _next_ping: float = 0.0

    def hear(self, attempt: Attempt, end: Settlement) -> None:
        """An attempt has ended; where it cost money, budgets are looked at soon."""
        self.upstreams.hear(attempt, end, now=self.clock.monotonic())
        self._soon = self._soon or end.cost_microusd > 0

    async def __call__(self) -> None:
        """Wait for the next look, and look."""
        for _ in range(LOOK_SECONDS):
            await self.clock.sleep(SOON_SECONDS)
            if self._soon:
                break
        await self.look()

    async def look(self) -> None:
        """All of it, once."""
        self._soon = False
        now, desk = self.clock.monotonic(), self.desk
        failed = await self._money()
        standings = await self.sources.standings()
        self._met = self._met or standings is not None
        self._soon = self._soon or not self._met
        facts = self.sources.servers()
        if standings is None:
            facts = conditions.silent_worker(facts)
        else:
            late = self._late.seconds(
                [one.name for one in standings if one.overdue_seconds], now=now
            )
            standings = [known(one, late) for one in standings]
            desk.take(conditions.jobs(standings, limits=self.limits))
        lasting = self._down.seconds(
            [n for n, one in facts.items() if conditions.down(one)], now=now
        )
        desk.take(conditions.servers(facts, lasting, limits=self.limits))
        down_seconds = self.limits.down_seconds
        desk.take(self.upstreams.look(self.sources.tiers, down_seconds=down_seconds))
        desk.take(conditions.ports(self.sources.ports()))
        desk.take(conditions.quality(self.sources.drifts()))
        await self._say(self._trouble(standings, failed), now=now)

    async def _money(self) -> str:
        """The budgets; and why the ledger cannot be used, empty if it can."""
        failed = ""
        try:
            await self.sources.book.flush()
            outlooks = await self.sources.book.outlooks(self.sources.budgets())
            self.sources.spent([one.state for one in outlooks])
            crossed = [crossing for one in outlooks for crossing in one.crossings]
            self.desk.take(conditions.budgets(crossed, [one.state for one in outlooks]))
        except LedgerError as exc:
            failed = exc.message
        self.desk.take(conditions.ledger(failed or self.sources.book.held))
        return failed

    @staticmethod
    def _trouble(standings: Sequence[JobStanding] | None, failed: str) -> set[str]:
        """What is not well of the two processes themselves."""
        silent = {WORKER} if standings is None else set()
        idle = {"jobs"} if standings and all(one.overdue_seconds for one in standings) else set()
        return silent | idle | ({"ledger"} if failed else set())

    async def _say(self, trouble: set[str], *, now: float) -> None:
        """The ping, when it is due. Trouble that has just begun says nothing."""
        lasting = self._ill.seconds(trouble, now=now)
        lasts = any(seconds >= self.limits.down_seconds for seconds in lasting.values())
        if not self.ping.url or now < self._next_ping or (trouble and not lasts):
            return
        self._next_ping = now + self.ping.every_seconds
        try:
            await ping(failing(self.ping.url) if trouble else self.ping.url)
        except DeliveryError as exc:
            log.warning("the ping was not heard", extra={"because": exc.message})


def known(one: JobStanding, late: Mapping[str, float]) -> JobStanding:
    """A job that has been late for a while; one that has just become so may catch up."""
    if late.get(one.name, 0.0) >= OVERDUE_SECONDS:
        return one
    return replace(one, overdue_seconds=0.0)


def failing(url: str) -> str:
    """The address that says that something is wrong, as healthchecks.io and its like have it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/fail"))


class Answer(msgspec.Struct):
    """What the worker says of its jobs."""

    jobs: list[JobStanding]


async def standings_of(socket_path: Path) -> list[JobStanding] | None:
    """How every job stands, as the worker tells it; None where it does not answer."""
    told = await ask_worker(socket_path, "/standing", kind=Answer)
    return None if told is None else told.jobs


async def ask_worker(
    socket_path: Path, path: str, *, kind: type[AnswerT], query: Mapping[str, str] | None = None
) -> AnswerT | None:
    """What the worker says at a path of its private API; None where it does not answer."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.UnixConnector(str(socket_path)), timeout=timeout
            ) as session,
            session.get(f"http://worker{path}", params=query) as reply,
        ):
            if reply.status != 200:
                return None
            return msgspec.json.decode(await reply.read(), type=kind)
    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.MsgspecError) as exc:
        extra = {"path": path, "because": type(exc).__name__}
        log.debug("the worker does not answer", extra=extra)
        return None
