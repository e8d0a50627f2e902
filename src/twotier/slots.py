"""The slots of a tier: how many requests its server works on at a time, and the wait for one.

Who is next is decided in `router.line`; here is what waits. A free slot costs no timer and no
task. A slot is held from before anything is reserved or sent until the upstream was let go, and is
given back once, whatever happens: who waits and leaves gives up the place in line, also where its
slot came in the very moment of leaving. What a server works on is never put out for somebody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from twotier.domain.money import Attempt
from twotier.domain.tier import Load, TierFacts, TierState
from twotier.errors import QueueFullError, TierUnavailableError
from twotier.router.line import Line, Standing, Ticket

# Of a job's deadline: what is left is for its answer, here or at the next tier.
WAIT_SHARE = 0.8
RETRY_AFTER_SECONDS_MAX = 60.0
RETRY_AFTER_SECONDS_MIN = 1.0


class Patience(msgspec.Struct, frozen=True):
    """How long a request may take: so many seconds, None where nobody says.

    `elsewhere`: another tier could take over now, so a server that died is not waited for.
    """

    seconds: float | None
    elsewhere: Callable[[], bool]


PATIENT = Patience(None, lambda: False)


class _Waiter(NamedTuple):
    """Who waits: what wakes it, and where else it may go."""

    news: asyncio.Future[TierUnavailableError | None]
    elsewhere: Callable[[], bool]


class Slots:
    """The slots of one tier. `facts` says how its server stands, `now` is a monotonic clock.

    A request waits for most of its time; one without a deadline `wait_seconds`.
    """

    def __init__(
        self,
        line: Line,
        facts: Callable[[], TierFacts],
        *,
        now: Callable[[], float],
        wait_seconds: float,
    ) -> None:
        self._line = line
        self._facts = facts
        self._now = now
        self._wait_seconds = wait_seconds
        self._waiters: dict[Ticket, _Waiter] = {}

    async def enter(self, attempt: Attempt, patience: Patience = PATIENT) -> Ticket:
        """A slot, at once or when its turn comes; whoever gets it calls `leave`.

        Raises `QueueFullError` where too many wait or its time is over, and `TierUnavailableError`
        where that is because the server does not run.
        """
        ticket = Ticket(attempt.job or attempt.client, attempt.background)
        if not self._line.take(ticket, now=self._now()):
            await self._turn(ticket, patience)
        return ticket

    def leave(self, ticket: Ticket, *, answered: bool) -> None:
        """The request is done with the server, or has given up; calling it twice is harmless."""
        self._line.leave(ticket, now=self._now(), answered=answered)
        if self._waiters:
            self._admit()

    def fallen(self) -> None:
        """The server died: the next one is given little at first, and is not waited for by those
        whom another tier can serve now.
        """
        self._line.restarted()
        for ticket, waiter in [*self._waiters.items()]:
            if waiter.elsewhere():
                self._line.leave(ticket, now=self._now())
                self._tell(ticket, self._refused("another tier is ready"))

    def told(self) -> TierFacts:
        """The facts of the tier, its load with them where it is busy."""
        facts, line = self._facts(), self._line
        if line.in_use < line.admitted and not line.waiting:  # as `Line.busy`; every request asks
            return facts
        return replace(facts, load=self.load())

    def load(self) -> Load:
        """How busy it is."""
        line = self._line
        return Load(line.slots, line.admitted, line.in_use, line.waiting, full=line.full)

    def wait_seconds(self) -> float:
        """How long one more request would wait."""
        return self._line.wait_seconds()

    async def _turn(self, ticket: Ticket, patience: Patience) -> None:
        """Wait in line. It ends with the slot held, or outside."""
        seconds = self._wait_seconds
        if patience.seconds is not None:
            seconds = patience.seconds * WAIT_SHARE
        loser = self._line.join(ticket)
        if loser is ticket:
            raise self._refused("its line is full")
        if loser is not None:
            self._tell(loser, self._refused("its line is full, and others go before"))
        news = asyncio.get_running_loop().create_future()
        self._waiters[ticket] = _Waiter(news, patience.elsewhere)
        kept = False
        try:
            async with asyncio.timeout(seconds):
                refused = await news
            if refused is not None:
                raise refused
            kept = True
        except TimeoutError as exc:
            kept = ticket.place is Standing.HOLDING  # it came in the very moment
            if not kept:
                raise self._refused(f"no slot was free within {seconds:.0f} s") from exc
        finally:
            if not kept:
                self._waiters.pop(ticket, None)
                self.leave(ticket, answered=False)

    def _admit(self) -> None:
        """Slots for those whose turn it is. One that has left meanwhile gives its own back."""
        while (ticket := self._line.next(now=self._now())) is not None:
            self._tell(ticket, None)

    def _tell(self, ticket: Ticket, refused: TierUnavailableError | None) -> None:
        """Wake one that waits, unless it is leaving anyway."""
        news = self._waiters.pop(ticket).news
        if not news.done():
            news.set_result(refused)

    def _refused(self, why: str) -> TierUnavailableError:
        """The error for a request that gets no slot."""
        facts, load = self._facts(), self.load()
        wait = self._line.wait_seconds()
        seconds = min(max(wait, RETRY_AFTER_SECONDS_MIN), RETRY_AFTER_SECONDS_MAX)
        seen = f"{load.in_use} of {load.slots} slots taken, {load.waiting} waiting"
        if facts.state is TierState.READY:
            text = f"{facts.name} is busy: {why} ({seen}); ask again later, or another tier"
            return QueueFullError(text, retry_after_seconds=seconds)
        because = facts.because or facts.state.value
        text = f"{facts.name} is not ready: {because}; {why} ({seen}); `twotier status` shows more"
        return TierUnavailableError(text, retry_after_seconds=seconds)
