"""How one request is answered. Everything that asks a model comes through here.

    estimate(request) -> task
    decide(task, facts) -> decision          tiers in order, and why
    for each tier: reserve, ask, hold back until there is real content; else the next one
    observe every event; settle the row once

Before the first byte a failed tier may be replaced by the next one the decision allows. After it
nothing is retried.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date

from twotier import errors
from twotier.domain.decision import Decision, Option
from twotier.domain.message import Request, Usage
from twotier.domain.money import Attempt, Price
from twotier.domain.task import Caller, Task
from twotier.exchange import Exchange, Ground, Tier
from twotier.ledger.cost import worst_case
from twotier.router.estimate import estimate
from twotier.router.tree import OUTPUT_TOKENS_MIN, Router
from twotier.say import fields, headers

log = logging.getLogger("twotier.dispatch")

# Statuses that speak of the upstream, not of the request: another tier may do better.
ELSEWHERE = frozenset({401, 402, 403, 404, 408, 409, 425, 429, 500, 502, 503, 504, 529})
REFUSALS: Mapping[str, type[errors.TwotierError]] = {
    "model_not_found": errors.UnknownModelError,
    "forbidden": errors.ForbiddenError,
    "context_length_exceeded": errors.TooLongError,
    "price_unknown": errors.PriceUnknownError,
    "tier_unavailable": errors.TierUnavailableError,
}


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
        self._price = price
        self._ground = ground
        self._new_id = new_id

    def explain(self, request: Request, caller: Caller) -> tuple[Task, Decision, int]:
        """What would happen, and its worst case in micro-dollars. Spends and stores nothing."""
        task = estimate(request, caller)
        facts = {name: tier.facts() for name, tier in self.tiers.items()}
        decision = self.router.decide(task, facts)
        if not decision.options:
            return task, decision, 0
        return task, decision, self._attempt("", 0, decision, task, caller).reserved_microusd

    @asynccontextmanager
    async def answer(self, request: Request, caller: Caller) -> AsyncGenerator[Answer]:
        """The answer of the first tier that gives one. Raises `TwotierError` if none does."""
        request_id = self._new_id()
        task, decision, _ = self.explain(request, caller)
        self._ground.book.note_decision(request_id, task, decision)
        if not decision.options:
            raise REFUSALS[decision.refusal_code](decision.refusal)
        failures: list[errors.TwotierError] = []
        for number in range(len(decision.options)):
            attempt = self._attempt(request_id, number, decision, task, caller)
            expected = Usage(task.prompt_tokens, self._output_tokens(attempt.tier, task))
            exchange = Exchange(
                self.tiers[attempt.tier],
                request,
                attempt=attempt,
                expected=expected,
                ground=self._ground,
            )
            try:
                try:
                    await exchange.open()
                except errors.TwotierError as exc:
                    failures.append(exc)
                    if number + 1 == len(decision.options) or not elsewhere(exc):
                        raise
                    continue
                yield Answer(headers(exchange, failures), request.stream, exchange.chunks())
                return
            finally:
                await exchange.close()
                log.info("asked", extra=fields(exchange))

    def _attempt(
        self, request_id: str, number: int, decision: Decision, task: Task, caller: Caller
    ) -> Attempt:
        """The row of one try: which model, at what price, and the most it can cost."""
        option: Option = decision.options[number]
        spec = self.tiers[option.tier].spec
        price = spec.price
        if option.model or price is None:
            price = self._price(spec.provider, option.model, self._ground.clock.now().date())
        if price is None:
            raise errors.PriceUnknownError(f"no price is known for {spec.provider}/{option.model}")
        output = self._output_tokens(option.tier, task)
        return Attempt(
            id=f"{request_id}-{number}",
            request_id=request_id,
            tier=spec.name,
            provider=spec.provider,
            model=option.model or spec.model,
            model_asked=task.model_asked,
            rule=decision.rule,
            price=price,
            reserved_microusd=worst_case(task.prompt_tokens_max, output, price),
            client=caller.client,
            job=caller.job,
            run=caller.run,
            step=caller.step,
            background=caller.background,
        )

    def _output_tokens(self, tier: str, task: Task) -> int:
        """The limit sent upstream: always set, and never more than the window has room for."""
        spec = self.tiers[tier].spec
        room = max(OUTPUT_TOKENS_MIN, spec.window_tokens - task.prompt_tokens)
        return min(task.output_tokens_asked or spec.output_tokens_default, room)


def elsewhere(error: errors.TwotierError) -> bool:
    """Whether another tier may do what this one could not."""
    if isinstance(error, errors.UpstreamError):
        return error.upstream_status in ELSEWHERE
    return not isinstance(error, errors.RequestError)
