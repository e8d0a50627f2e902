"""How one request is answered. Everything that asks a model comes through here.

    estimate(request) -> task
    decide(task, facts) -> decision          tiers in order, and why
    for each tier: reserve, ask, hold back until there is real content; else the next one
    observe every event; settle the row once

Before the first byte a failed tier may be replaced by the next one the decision allows. After it
nothing is retried.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date

import msgspec

from twotier import errors
from twotier.attempts import Asking, Attempts, as_usual
from twotier.batch.desk import Desk
from twotier.batch.waiting import Waiting
from twotier.domain.decision import Decision
from twotier.domain.message import Request
from twotier.domain.money import Price
from twotier.domain.task import Caller, Task
from twotier.domain.tier import TierFacts
from twotier.exchange import Exchange, Ground, Tier
from twotier.router.estimate import estimate
from twotier.router.tree import Router, ready_behind
from twotier.say import headers
from twotier.tries import Plan, Remedy, Tries


class Answer(msgspec.Struct, frozen=True):
    """An answer on its way; its head is known. Whoever has it closes it, whatever happens.

    `read` gives the next bytes, none at the end, all of them where the client wants no stream.
    `broken` gives the bytes that end a stream which has begun and cannot go on. `whole` tells, at
    the end, whether what was read was all of it.
    """

    headers: Mapping[str, str]
    stream: bool
    read: Callable[[], Awaitable[bytes]]
    broken: Callable[[errors.TwotierError], bytes]
    whole: Callable[[], bool]
    close: Callable[[], Awaitable[None]]


class Facts(dict[str, TierFacts]):
    """What each tier says of itself now; asked of those that the router looks at."""

    def __init__(self, tiers: Mapping[str, Tier]) -> None:
        super().__init__()
        self._tiers = tiers

    def __missing__(self, name: str) -> TierFacts:
        fact = self[name] = self._tiers[name].facts()
        return fact


class Dispatch:
    """The one path to a model."""

    def __init__(
        self,
        tiers: Mapping[str, Tier],
        *,
        router: Router,
        price: Callable[[str, str, date], Price | None],
        ground: Ground,
        new_id: Callable[[], str],
        remedy: Remedy,
    ) -> None:
        self.tiers = tiers
        self.router = router
        self.breakers = remedy.breakers
        specs = {name: tier.spec for name, tier in tiers.items()}
        self._attempts = Attempts(specs, price, ground.clock, self._fact, router.caches)
        self.desk = Desk(tiers, ground)
        self._tries = Tries(tiers, self._attempts.expected, ground=ground, remedy=remedy)
        self._ground = ground
        self.new_id = new_id
        self.price = price

    def _fact(self, name: str) -> TierFacts:
        """What a tier says of itself now."""
        return self.tiers[name].facts()

    def explain(self, request: Request, caller: Caller) -> tuple[Task, Decision, int]:
        """What would happen, and its worst case in micro-dollars. Spends and stores nothing."""
        task, decision = self._decided(request, caller)
        rows = self._attempts.of("", decision, asking=Asking(request, task, caller))
        return task, decision, max((row.reserved_microusd for row in rows), default=0)

    async def answer(self, request: Request, caller: Caller) -> Answer:
        """The answer of the first tier that gives one. Raises `TwotierError` if none does."""
        request_id = self.new_id()
        try:
            return await self._answer(request_id, request, caller=caller)
        except errors.TwotierError as exc:
            exc.request_id = request_id
            raise

    async def _answer(self, request_id: str, request: Request, *, caller: Caller) -> Answer:
        """The answer to a request that has a name."""
        if caller.batch and (found := await self.desk.found(request, caller)):
            return answer_of(found, request)
        task, decision = self._decided(request, caller)
        self._ground.book.note_decision(request_id, decision, task=task)
        if not decision.options:
            raise errors.REFUSALS[decision.refusal_code](decision.refusal)
        asking = Asking(request, task, caller)
        attempts = self._attempts.of(request_id, decision, asking=asking)
        if caller.batch:
            first = next(attempts)
            expected = self._attempts.expected(first.tier, task)
            if waits := await self.desk.begun(asking, first, expected=expected):
                return answer_of(waits, request)
            attempts = self._attempts.of(request_id, decision, asking=as_usual(asking))

        def ready(number: int) -> bool:
            # Asked when a tier has failed, perhaps after a long wait: by now the facts are others.
            return ready_behind(number, decision, facts=Facts(self.tiers))

        exchange, failures = await self._tries.opened(request, task, plan=Plan(attempts, ready))
        return answer_of(exchange, request, failures=failures)

    def _decided(self, request: Request, caller: Caller) -> tuple[Task, Decision]:
        """The task behind a request, and where it goes."""
        task = estimate(request, caller)
        return task, self.router.decide(task, Facts(self.tiers))


def answer_of(
    exchange: Exchange | Waiting, request: Request, *, failures: Sequence[str] = ()
) -> Answer:
    """What is sent of an exchange whose head is known."""
    cost, dropped = exchange.cost_microusd, exchange.dropped
    return Answer(
        headers(exchange.attempt, cost, failures=failures, dropped=dropped),
        request.stream,
        read=exchange.read,
        broken=exchange.failed,
        whole=exchange.whole,
        close=exchange.close,
    )
