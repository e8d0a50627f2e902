"""The row `time`: how long the local tier would take, against the time there is.

    seconds = wait + uncached prompt / prefill(depth) + output / decode(depth)

The output is taken long, as nine in ten are shorter. "Writes more than 500 lines" is what comes of
this where nobody set a deadline: at 50 tokens a second and 12 tokens a line that many lines take
two minutes, which is as long as somebody at a keyboard is taken to wait.

A deadline is more than patience: an answer behind it is none. So a start here has to be in time
with an answer that 99 in 100 do not exceed; or half of such answers have to be there by the last
moment at which the frontier could still be in time with that, so that the guard `late` may hand
over the others. Where enough is not known for a guard, the first has to hold.

Time only speaks against a tier: that there is enough of it is no reason for anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from twotier.domain.known import Known, Timed
from twotier.domain.task import Task
from twotier.domain.tier import TierSpec
from twotier.router.row import TOKENS_PER_LINE, Abstains, Choice
from twotier.verify.guards import RUNS_MIN
from twotier.verify.lengths import SLOW, longest

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
        first = timed[name]
        quick = [known.seconds[tier.name] for tier in there if tier.name in known.seconds]
        other = min(quick, key=lambda one: one.seconds, default=None)
        if first.seconds > limit:
            if other is not None and other.seconds >= first.seconds:
                return Abstains(f"{told}; and the frontier would take {other.seconds:,.0f} s")
            return Choice(told, "frontier")
        risk = risks(task, known, here=first, other=other) if task.deadline_seconds else ""
        return Choice(f"{told}; {risk}", "frontier") if risk else Abstains(told)


def risks(task: Task, known: Known, *, here: Timed, other: Timed | None) -> str:
    """Why a start on the local tier might miss its deadline although nine in ten would not; empty
    where it does not, or where the frontier is no better. `here` and `other` are for the ninth
    tenth.
    """
    limit, output = task.deadline_seconds, known.output
    if limit is None or output is None or other is None or output.p90 <= 0.0:
        return ""
    most = min(longest(output.p50, output.p90), task.output_tokens_asked or inf)
    slowly, elsewhere = (SLOW * of_length(one, most / output.p90) for one in (here, other))
    if slowly <= max(limit, elsewhere):
        return ""
    told = f"a long answer on a slow day takes {slowly:,.0f} s"
    if output.count < RUNS_MIN:
        return f"{told}, and too few were seen to break one off"
    last = max(0.0, limit - elsewhere)
    if of_length(here, output.p50 / output.p90) <= last:
        return ""
    return f"{told}, and not half are there in {last:,.0f} s, when the frontier would have to begin"


def of_length(timed: Timed, part: float) -> float:
    """The seconds for an answer of this part of the length that they were predicted for."""
    return timed.wait_seconds + timed.prompt_seconds + timed.output_seconds * part


def late(seconds: Mapping[str, Timed], names: Iterable[str], *, limit: float) -> frozenset[str]:
    """Those tiers that would be late with an answer as long as nine in ten."""
    return frozenset(name for name in names if name in seconds and seconds[name].seconds > limit)


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
