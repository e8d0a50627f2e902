"""How one request is answered. Everything that asks a model comes through here.

    estimate(request) -> task
    decide(task, facts) -> decision          tiers in order, and why
    for each tier: reserve, ask, hold back until there is real content; else the next one
    observe every event; settle the row once

Before the first byte a failed tier may be replaced by the next one the decision allows. After it
nothing is retried.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date

from twotier import errors
from twotier.attempts import Attempts
from twotier.domain.decision import Decision
from twotier.domain.message import Request
from twotier.domain.money import Attempt, Price
from twotier.domain.task import Caller, Task
from twotier.exchange import Exchange, Ground, Tier
from twotier.router.estimate import estimate
from twotier.router.tree import Router
from twotier.say import headers

# Statuses that speak of the upstream, not of the request: another tier may do better.
ELSEWHERE = frozenset({401, 402, 403, 404, 408, 409, 425, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer on its way. `headers` are ready before the first of `chunks`."""

    headers: Mapping[str, str]
    stream: bool
    chunks: AsyncIterator[bytes]


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
    ) -> None:
        self.tiers = tiers
        self.router = router
        specs = {name: tier.spec for name, tier in tiers.items()}
        self._attempts = Attempts(specs, price, ground.clock)
        self._ground = ground
        self._new_id = new_id

    def explain(self, request: Request, caller: Caller) -> tuple[Task, Decision, int]:
        """What would happen, and its worst case in micro-dollars. Spends and stores nothing."""
        task, decision = self._decided(request, caller)
        rows = self._attempts.of("", decision, task=task, caller=caller)
        return task, decision, max((row.reserved_microusd for row in rows), default=0)

    @asynccontextmanager
    async def answer(self, request: Request, caller: Caller) -> AsyncGenerator[Answer]:
        """The answer of the first tier that gives one. Raises `TwotierError` if none does."""
        request_id = self._new_id()
        task, decision = self._decided(request, caller)
        self._ground.book.note_decision(request_id, decision, task=task)
        if not decision.options:
            raise errors.REFUSALS[decision.refusal_code](decision.refusal)
        attempts = self._attempts.of(request_id, decision, task=task, caller=caller)
        exchange, failures = await self._opened(request, task, attempts=attempts)
        try:
            told = headers(
                exchange.attempt,
                exchange.cost_microusd,
                failures=failures,
                dropped=exchange.dropped,
            )
            yield Answer(told, request.stream, exchange.chunks())
        finally:
            await exchange.close()

    def _decided(self, request: Request, caller: Caller) -> tuple[Task, Decision]:
        """The task behind a request, and where it goes."""
        task = estimate(request, caller)
        facts = {name: tier.facts() for name, tier in self.tiers.items()}
        return task, self.router.decide(task, facts)

    async def _opened(
        self, request: Request, task: Task, *, attempts: Iterable[Attempt]
    ) -> tuple[Exchange, list[str]]:
        """The first exchange that opens, and why the ones before it did not."""
        failures: list[str] = []
        first: errors.TwotierError | None = None
        for attempt in attempts:
            exchange = Exchange(
                self.tiers[attempt.tier],
                request,
                attempt=attempt,
                expected=self._attempts.expected(attempt.tier, task),
                ground=self._ground,
            )
            try:
                await exchange.open()
            except errors.TwotierError as exc:
                first = first or exc
                failures.append(f"{attempt.tier}: {exc.message}")
                if not elsewhere(exc):
                    break
            else:
                return exchange, failures
        assert first is not None  # noqa: S101 - a decision without options was refused before
        first.message = "; ".join(failures)
        raise first


def elsewhere(error: errors.TwotierError) -> bool:
    """Whether another tier may do what this one could not."""
    if isinstance(error, errors.UpstreamError):
        return error.upstream_status in ELSEWHERE
    # What is too long for one may fit another; any other fault of the request stays one.
    return isinstance(error, errors.TooLongError) or not isinstance(error, errors.RequestError)
