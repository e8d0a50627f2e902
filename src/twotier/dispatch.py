"""How one request is answered. Everything that asks a model comes through here.

    estimate(request) -> task
    decide(task, facts, known) -> decision   tiers in order, and why
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
from twotier.attempts import Attempts, as_usual
from twotier.batch.desk import Desk
from twotier.batch.waiting import Waiting
from twotier.deciding import Deciding
from twotier.domain.decision import Decision
from twotier.domain.message import Request
from twotier.domain.money import Price
from twotier.domain.task import Asking, Caller
from twotier.domain.tier import TierFacts
from twotier.exchange import Exchange, Ground, Tier
from twotier.overseer import needed_of
from twotier.router.tree import Router, ready_behind
from twotier.say import headers
from twotier.tries import Plan, Remedy, Tries


class Answer(msgspec.Struct, frozen=True):
    """An answer on its way; its head is known. Whoever has it closes it, whatever happens.

    `read` gives the next bytes, none at the end, all of them where the client wants no stream.
    `broken` gives the bytes that end a stream which has begun and cannot go on. `whole` tells, at
    the end, whether what was read was all of it. `verify` and `restricted`: as in its `Decision`.
    """

    headers: Mapping[str, str]
    stream: bool
    read: Callable[[], Awaitable[bytes]]
    broken: Callable[[errors.TwotierError], bytes]
    whole: Callable[[], bool]
    close: Callable[[], Awaitable[None]]
    verify: bool = False
    restricted: bool = False


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
        self.deciding = Deciding(router, self._fact, clock=ground.clock)
        self.breakers = remedy.breakers
        specs = {name: tier.spec for name, tier in tiers.items()}
        self._attempts = Attempts(
            specs, price, ground.clock, self._fact, router.caches, router.scales
        )
        self.desk = Desk(tiers, ground)
        self._tries = Tries(tiers, self._attempts.expected, ground=ground, remedy=remedy)
        self._ground = ground
        self.new_id = new_id
        self.price = price

    def _fact(self, name: str) -> TierFacts:
        """What a tier says of itself now."""
        return self.tiers[name].facts()

    def explain(self, request: Request, caller: Caller) -> tuple[Asking, Decision, int]:
        """What would happen, and its worst case in micro-dollars. Spends and stores nothing."""
        asking, decision = self.deciding(request, caller, explain=True)
        rows = self._attempts.of("", decision, asking=asking)
        return asking, decision, max((row.reserved_microusd for row in rows), default=0)

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
        asking, decision = self.deciding(request, caller)
        task = asking.task
        # As it was asked: under other rules, in a replay, it may be free.
        noted = msgspec.structs.replace(task, policy=caller.policy) if decision.restricted else task
        book = self._ground.book
        book.note_decision(request_id, decision, task=noted, known=asking.known, run=caller.run)
        if decision.restricted and caller.run:  # known after a kill too: the run stays here
            await book.flush()
        if not decision.options:
            raise errors.REFUSALS[decision.refusal_code](decision.refusal)
        attempts = self._attempts.of(request_id, decision, asking=asking)
        if caller.batch:
            first = next(attempts)
            expected = self._attempts.expected(first.tier, task)
            if waits := await self.desk.begun(asking, first, expected=expected):
                return answer_of(waits, request)
            attempts = self._attempts.of(request_id, decision, asking=as_usual(asking))

        def ready(number: int) -> bool:
            # Asked when a tier has failed, perhaps after a long wait: by now the facts are others.
            return ready_behind(number, decision, facts=self.deciding.facts())

        usual = needed_of(asking, decision.options) if decision.verify else None
        plan = Plan(attempts, ready, usual)
        exchange, failures = await self._tries.opened(request, task, plan=plan)
        answer = answer_of(exchange, request, failures=failures)
        if not (decision.verify or decision.restricted):
            return answer
        verify, restricted = decision.verify, decision.restricted
        return msgspec.structs.replace(answer, verify=verify, restricted=restricted)


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
