"""What a decision comes to: one row for each tier that may be asked, with the most it can cost."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from twotier.domain.clock import Clock
from twotier.domain.decision import Decision, Option
from twotier.domain.message import Caching, Usage
from twotier.domain.money import FREE, Attempt, Price
from twotier.domain.price import Asked
from twotier.domain.task import Caller, Task
from twotier.domain.tier import TierFacts, TierSpec, nears
from twotier.errors import PriceUnknownError
from twotier.ledger.cost import worst_case
from twotier.router.caching import Caches
from twotier.router.tree import OUTPUT_TOKENS_MIN


@dataclass(frozen=True, slots=True)
class Attempts:
    """Writes the rows. `price` looks up a vendor model's price on a day, `facts` what a tier says
    of itself now.
    """

    specs: Mapping[str, TierSpec]
    price: Callable[[str, str, date], Price | None]
    clock: Clock
    facts: Callable[[str], TierFacts]
    caches: Caches

    def of(
        self, request_id: str, decision: Decision, *, task: Task, caller: Caller
    ) -> Iterator[Attempt]:
        """One attempt for each option, made when its turn comes. Raises `PriceUnknownError`."""
        for number, option in enumerate(decision.options):
            yield self._one(
                f"{request_id}-{number}", option, task=task, caller=caller, rule=decision.rule
            )

    def expected(self, tier: str, task: Task) -> Usage:
        """The tokens to expect: the estimated prompt, and the limit that is sent upstream.

        The limit is always set, and never more than the window in force has room for.
        """
        spec, prompt = self.specs[tier], task.prompt_tokens
        limit, window = task.output_tokens_asked or spec.output_tokens_default, spec.window_tokens
        if nears(prompt + limit, window):
            window = self.facts(tier).window_tokens or window
            limit = min(limit, max(OUTPUT_TOKENS_MIN, window - prompt))
        return Usage(prompt, limit)

    def _one(self, id_: str, option: Option, *, task: Task, caller: Caller, rule: str) -> Attempt:
        """The row of one try: which model, at what price, and the most it can cost."""
        spec = self.specs[option.tier]
        model = option.model or spec.model
        # Counting is not charged (platform.claude.com/docs/en/build-with-claude/token-counting).
        counted = task.dialect == "anthropic_count"
        price = FREE if counted else spec.price
        if not counted and (option.model or price is None):
            price = self.price(spec.provider, model, self.clock.now().date())
        if price is None:
            raise PriceUnknownError(
                f"no price is known for {spec.provider}/{model}; set [tiers.{spec.name}.price]"
            )
        output_tokens = self.expected(option.tier, task).output_tokens
        caching = None if counted else self._caching(spec, caller)
        return Attempt(
            id=id_,
            request_id=id_.rpartition("-")[0],
            tier=spec.name,
            provider=spec.provider,
            model=model,
            model_asked=task.model_asked,
            rule=rule,
            price=price,
            reserved_microusd=worst_case(
                task.prompt_tokens_max,
                output_tokens,
                price=price,
                asked=Asked(cache_1h=caching is not None and caching.hour),
            ),
            kind="probe" if task.probe else "request",
            client=caller.client,
            job=caller.job,
            run=caller.run,
            step=caller.step,
            background=caller.background,
            dialect=task.dialect,
            trace=caller.trace,
            caching=caching,
        )

    def _caching(self, spec: TierSpec, caller: Caller) -> Caching | None:
        """What to keep in the cache of a provider that has one by order."""
        if not spec.caches:
            return None
        key = (caller.client, caller.job, spec.name)
        now = self.clock.monotonic()
        return self.caches.plan(key, period_seconds=caller.period_seconds, now=now)


def new_ids() -> Callable[[], str]:
    """Makes names for requests: a random beginning for this life, then a count."""
    life, count = secrets.token_hex(6), itertools.count(1)
    return lambda: f"req_{life}{next(count):06x}"
