"""What a trial may cost at most: the dearest rates of whoever may be asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from twotier.build import money
from twotier.build.tiers import shown_model
from twotier.clock import SystemClock
from twotier.config.load import Loaded
from twotier.config.schema import TierConfig
from twotier.errors import PriceUnknownError

JUDGE_PROMPT_BYTES = 24_000  # the task, its material and two answers, all of them cut
JUDGE_OUTPUT_TOKENS = 200
ACTIONS_BYTES = 24_000  # two lists of what agents did, cut too
TRIES = 2  # of an answer whose form is wrong, and orders of a judge
MILLION = 1_000_000

Rates = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Side:
    """Who may be asked: tiers by policy, or one by name. Nobody where the policy is empty."""

    policy: str
    model: str

    @classmethod
    def of(cls, policy: str, model: str = "auto") -> Side:
        """In the words of a plan."""
        return cls(policy, model)

    def tiers(self, loaded: Loaded) -> Iterator[tuple[str, TierConfig]]:
        """The tiers it stands for."""
        for name, tier in loaded.config.tiers.items():
            named = self.model in ("auto", name)
            local = tier.is_local or self.policy != "local-only"
            if (
                self.policy
                and named
                and local
                and not (self.policy == "frontier" and tier.is_local)
            ):
                yield name, tier


def rates_of(loaded: Loaded, asked: Side, *, judge: Side) -> Rates:
    """Micro-dollars per million tokens, in and out, of both. Raises `PriceUnknownError`."""
    return (*dearest(loaded, asked), *dearest(loaded, judge))


def dearest(loaded: Loaded, side: Side) -> tuple[int, int]:
    """The highest rates among the tiers of a side, whatever the length of a prompt."""
    book, today = money.prices(loaded), SystemClock().now().date()
    read = written = 0
    for name, tier in side.tiers(loaded):
        price = book.price(money.vendor_of(tier), shown_model(tier.model), on=today)
        if price is None and tier.is_local:
            continue
        if price is None:
            raise PriceUnknownError(
                f"no price is known for {name}, so nobody can say what a trial costs; set it with"
                f" `twotier prices set {tier.provider}/{tier.model} input=... output=...`"
            )
        for _, rates in price.ladder:
            read = max(read, rates.input, rates.cache_write, rates.cache_write_1h)
            written = max(written, rates.output)
    return read, written


def bound_microusd(plan: Mapping[str, int], rates: Rates) -> int:
    """The most that all of it can cost: a token is at least one byte."""
    read, written, judge_read, judge_written = rates
    pieces = plan["pieces"]
    asked = plan["prompt_bytes"] * read + pieces * plan["output_tokens_max"] * written
    tries = 1 if plan.get("agent") else TRIES  # an agent's limits hold for all that it asks
    prompt_bytes = JUDGE_PROMPT_BYTES + (ACTIONS_BYTES if plan.get("agent") else 0)
    judged = prompt_bytes * judge_read + JUDGE_OUTPUT_TOKENS * judge_written
    return (tries * asked + TRIES * pieces * judged) // MILLION
