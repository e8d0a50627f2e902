"""What a decision comes to: one row for each tier that may be asked, with the most it can cost."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from msgspec.structs import replace

from twotier.domain.clock import Clock
from twotier.domain.decision import Decision, Option
from twotier.domain.message import Caching, Dialect, Request, Usage
from twotier.domain.money import FREE, Attempt, Price
from twotier.domain.price import PLAIN, Asked
from twotier.domain.task import Asking, Caller, Task
from twotier.domain.tier import TierFacts, TierSpec, nears
from twotier.errors import PriceUnknownError, RequestError
from twotier.ledger.cost import worst_case
from twotier.protocols.asked import long_lived
from twotier.router.batching import worth
from twotier.router.caching import Caches
from twotier.router.constraints import OUTPUT_TOKENS_MIN
from twotier.router.tokens import Scales

# A mode that costs more is never asked for at the standard price.
_DEARER = ("fast", "ultrafast")


@dataclass(frozen=True, slots=True)
class Attempts:
    """Writes the rows. `price` looks up a vendor model's price on a day, `facts` what a tier says
    of itself now; `scales` know how many tokens a prompt is there.
    """

    specs: Mapping[str, TierSpec]
    price: Callable[[str, str, date], Price | None]
    clock: Clock
    facts: Callable[[str], TierFacts]
    caches: Caches
    scales: Scales = field(default_factory=Scales)

    def of(self, request_id: str, decision: Decision, *, asking: Asking) -> Iterator[Attempt]:
        """One attempt for each option, made when its turn comes. Raises `PriceUnknownError`, and
        `RequestError` for what cannot be held to any limit where it costs money.
        """
        for number, option in enumerate(decision.options):
            if number == 1 and asking.caller.batch:  # the one before failed: it has waited enough
                asking = as_usual(asking)
            yield self._one(f"{request_id}-{number}", option, asking=asking, rule=decision.rule)

    def expected(self, tier: str, task: Task) -> Usage:
        """The tokens to expect: the estimated prompt, and the limit that is sent upstream.

        The limit is always set, and never more than the window in force has room for.
        """
        spec, prompt = self.specs[tier], self.scales.tokens(task.work, tier)
        limit, window = task.output_tokens_asked or spec.output_tokens_default, spec.window_tokens
        if nears(prompt + limit, window):
            window = self.facts(tier).window_tokens or window
            limit = min(limit, max(OUTPUT_TOKENS_MIN, window - prompt))
        return Usage(prompt, limit)

    def _one(self, id_: str, option: Option, *, asking: Asking, rule: str) -> Attempt:
        """The row of one try: which model, at what price, and the most it can cost."""
        spec = self.specs[option.tier]
        task, caller = asking.task, asking.caller
        model = option.model or spec.model
        price = self._price(spec, option, dialect=task.dialect)
        batched = waits(asking, spec, price=price)
        counts = task.dialect == "anthropic_count"
        # Nobody knows when a batch is read, so nothing is kept for the next one.
        caching = None if batched or counts else self._caching(spec, caller)
        asked = PLAIN if price.free else asked_of(asking.request, spec, price=price)
        if batched:
            id_, asked = f"{id_}b", replace(asked, mode="batch")
        if caching is not None and caching.hour and not asked.cache_1h:
            asked = replace(asked, cache_1h=True)
        output_tokens = self.expected(option.tier, task).output_tokens
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
                asked=asked,
                window_tokens=spec.window_tokens,
            ),
            kind="probe" if task.probe else "request",
            client=caller.client,
            job=caller.job,
            run=caller.run,
            step=caller.step,
            background=caller.background,
            dialect=task.dialect,
            trace=caller.trace,
            asked=asked,
            caching=caching,
            conversation=asking.known.conversation,
            work=task.work,
        )

    def _caching(self, spec: TierSpec, caller: Caller) -> Caching | None:
        """What to keep in the cache of a provider that has one by order."""
        if not spec.caches:
            return None
        key = (caller.client, caller.job, spec.name)
        now = self.clock.monotonic()
        return self.caches.plan(key, period_seconds=caller.period_seconds, now=now)

    def _price(self, spec: TierSpec, option: Option, *, dialect: Dialect) -> Price:
        """What the model costs today. Raises `PriceUnknownError`."""
        # Counting is not charged (platform.claude.com/docs/en/build-with-claude/token-counting).
        if dialect == "anthropic_count":
            return FREE
        price = None if option.model else spec.price
        if price is None or not price.free:  # a price has its day
            model = option.model or spec.model
            price = self.price(spec.provider, model, self.clock.now().date()) or price
            if price is None:
                raise PriceUnknownError(unknown(f"{spec.provider}/{model}"))
        return price


def as_usual(asking: Asking) -> Asking:
    """The same, answered at once."""
    return replace(asking, caller=replace(asking.caller, batch=False))


def waits(asking: Asking, spec: TierSpec, *, price: Price) -> bool:
    """Whether it goes into a batch: it may, the tier takes some, and they have a price."""
    request, caller = asking.request, asking.caller
    may = caller.batch and spec.batches and not request.stream and not request.asked.mode
    return may and price.of_mode("batch") is not None and worth(caller.deadline_seconds)


def asked_of(request: Request, spec: TierSpec, *, price: Price) -> Asked:
    """What a request may cost there beside its tokens: a translation says none of it, but for the
    caches. Raises `RequestError` for a tool without any limit, `PriceUnknownError` for a mode.
    """
    asked = request.asked if spec.speaks(request.dialect, exacting=request.exacting) else PLAIN
    if asked.endless:
        raise RequestError(
            f"tools: {asked.endless} costs what nothing here can limit; leave it out, or give the"
            " model a tool of your own for it"
        )
    if asked.mode in _DEARER and price.of_mode(asked.mode) is None:
        raise PriceUnknownError(
            f"no price is known for {spec.ref} in {asked.mode} mode; ask for it without, or have"
            " newer prices fetched: `twotier prices update`"
        )
    lives = price.cache_write_1h_microusd_per_mtok > price.cache_write_microusd_per_mtok
    if lives and long_lived(request.body):
        return replace(asked, cache_1h=True)
    return asked


def unknown(ref: str) -> str:
    """What to do about a model without a price."""
    return (
        f"no price is known for {ref}; set it in USD per million tokens:"
        f" `twotier prices set {ref} input=... output=...`"
    )


def new_ids() -> Callable[[], str]:
    """Makes names for requests: a random beginning for this life, then a count."""
    life, count = secrets.token_hex(6), itertools.count(1)
    return lambda: f"req_{life}{next(count):06x}"
