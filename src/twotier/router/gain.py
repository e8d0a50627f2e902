"""The row `gain`: what the frontier is likely to add, against what it costs now.

    worth = P(the frontier is right and the local tier is not) * value of a right answer
    cost  = dollars of this request now * pressure of the budget

P begins with how often that is so for this kind of work (docs/routing.md has the sources) and goes
over to the work's own record as that grows. What is dearer than it is worth goes to the local tier,
whose answer is not taken for sure. Otherwise the row says its numbers and leaves the choice to the
one below: that it would be worth its price is no reason to spend it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from twotier.domain.known import Known, Pace, Record
from twotier.domain.money import MICROUSD_PER_USD, usd
from twotier.domain.task import Task
from twotier.domain.tier import TierSpec
from twotier.router.row import Abstains, Choice

VALUE_MICROUSD = MICROUSD_PER_USD
# How often only the frontier is right. Two models of one generation on agent work: 6.4 % (500
# tasks); one generation apart on reasoning: 12 to 28 %. Nobody has measured the first two kinds.
PRIOR = {
    "polling": 0.02,
    "read-report": 0.05,
    "unknown": 0.12,
    "bulk-write": 0.12,
    "frontier-reasoning": 0.28,
}
PRIOR_RUNS = 5.0  # how many runs of a record weigh as much as the prior
TOKENS_PER_PRICE = 1_000_000


@dataclass(frozen=True, slots=True)
class Gain:
    """The row's look. `value_microusd` is what a right answer is worth in place of a wrong one."""

    value_microusd: int = VALUE_MICROUSD

    def __call__(self, task: Task, known: Known, *, tiers: Sequence[TierSpec]) -> Choice | Abstains:
        """The local tier where the frontier is dearer than what it adds; else the numbers."""
        here = next((tier for tier in tiers if tier.local), None)
        there = next((tier for tier in tiers if not tier.local), None)
        if here is None or there is None:
            return Abstains("there is one side only")
        share, source = likely(task.kind, known.records, names=(here.name, there.name))
        worth = share * self.value_microusd
        microusd = cost(task, known, tier=there)
        pressure, pace = pressed(known.pace)
        told = (
            f"only {there.name} is right in about {share:.0%} ({source}), which is worth"
            f" {usd(round(worth))}; it costs about {usd(microusd)} now{pace}"
        )
        if microusd * pressure <= worth:
            return Abstains(told)
        return Choice(told, "local")


decide = Gain()


def likely(
    kind: str, records: Mapping[str, Record], *, names: tuple[str, str]
) -> tuple[float, str]:
    """How often only the frontier is right, and whence that is known. `names` are of both tiers,
    the local one first.
    """
    here, there = map(records.get, names)
    prior = PRIOR.get(kind, PRIOR["unknown"])
    if here is None or not here.good + here.bad:
        return prior, f"as is usual for {kind} work"
    seen = here.good + here.bad
    above = there.good / (there.good + there.bad) if there and there.good + there.bad else 1.0
    missed = max(0.0, above - here.good / seen)
    share = (prior * PRIOR_RUNS + missed * seen) / (PRIOR_RUNS + seen)
    return share, f"by {seen:.0f} verified runs here"


def cost(task: Task, known: Known, *, tier: TierSpec) -> int:
    """Micro-dollars of this request there: what its cache holds is read for less."""
    price, session = tier.price, known.session
    if price is None:
        return 0
    warm = session.prompt_tokens if session is not None and session.tier == tier.name else 0
    held = min(warm, task.prompt_tokens)
    output = known.output.p50 if known.output is not None else float(task.output_tokens)
    total = (
        held * price.cache_read_microusd_per_mtok
        + (task.prompt_tokens - held) * price.input_microusd_per_mtok
        + output * price.output_microusd_per_mtok
    )
    return round(total / TOKENS_PER_PRICE)


def pressed(pace: Pace | None) -> tuple[float, str]:
    """By what a dollar counts more, because the budget is spent faster than its time goes by."""
    if pace is None or pace.spent <= pace.passed:
        return 1.0, ""
    pressure = min(pace.spent / max(pace.passed, 0.01), 100.0)
    return pressure, (
        f", and counts {pressure:.1f} times that: {pace.name} is {pace.spent:.0%} spent with"
        f" {pace.passed:.0%} of its time gone"
    )
