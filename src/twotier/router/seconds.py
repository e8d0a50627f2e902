"""The row `time`: how long the local tier would take, against the time there is.

    seconds = wait + uncached prompt / prefill(depth) + output / decode(depth)

The output is taken long, as nine in ten are shorter. "Writes more than 500 lines" is what comes of
this where nobody set a deadline: at 50 tokens a second and 12 tokens a line that many lines take
two minutes, which is as long as somebody at a keyboard is taken to wait.

Time only speaks against the local tier. That there is enough of it is no reason for anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twotier.domain.known import Known, Timed
from twotier.domain.task import Task
from twotier.domain.tier import TierSpec
from twotier.router.row import TOKENS_PER_LINE, Abstains, Choice

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Time:
    """The row's look. `patience_seconds` is the deadline of what has none."""

    patience_seconds: float = PATIENCE_SECONDS

    def __call__(self, task: Task, known: Known, *, tiers: Sequence[TierSpec]) -> Choice | Abstains:
        """The frontier, where no local tier would be in time and it would sooner be there."""
        here = [tier for tier in tiers if tier.local]
        there = [tier for tier in tiers if not tier.local]
        if not here or not there:
            return Abstains("there is one side only")
        timed = {tier.name: known.seconds[tier.name] for tier in here if tier.name in known.seconds}
        if len(timed) < len(here):
            return Abstains("how fast the local tier is has not been learned yet")
        name = min(timed, key=lambda one: timed[one].seconds)
        limit = task.deadline_seconds or self.patience_seconds
        asked = "the deadline" if task.deadline_seconds else "the patience of somebody who waits"
        told = f"{name} would take about {parts(timed[name], known)}; {asked} is {limit:,.0f} s"
        if timed[name].seconds <= limit:
            return Abstains(told)
        quick = [known.seconds[tier.name].seconds for tier in there if tier.name in known.seconds]
        if quick and min(quick) >= timed[name].seconds:
            return Abstains(f"{told}; and the frontier would take {min(quick):,.0f} s")
        return Choice(told, "frontier")


decide = Time()


def parts(timed: Timed, known: Known) -> str:
    """Seconds, and what they are made of; what is written also in lines."""
    written = f"{timed.output_seconds:.0f} s to write"
    if known.output is not None:
        tokens = known.output.p90
        lines = f"{tokens / TOKENS_PER_LINE:,.0f} lines"
        written += f" up to {tokens:,.0f} tokens, which are {lines}"
    return (
        f"{timed.seconds:,.0f} s ({timed.wait_seconds:.0f} s wait, {timed.prompt_seconds:.0f} s to"
        f" read, {written})"
    )
