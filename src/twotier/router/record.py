"""What a job's own record says about its tier. Pure.

A failed run counts as much as `FAILURE_RUNS` runs that are paid for. So the local tier is as good a
choice as the frontier while its share of successes is less than one in `FAILURE_RUNS` below the
frontier's, and that is the share it has to have. Both shares are Beta posteriors of verified
verdicts; the rule speaks where a bound of four in five is on one side of what is needed, and leaves
the choice to the rules behind it while it is not. Two failures in the last five are enough by
themselves, until three good ones in a row say otherwise; but only failures that somebody had. What
a check found and the frontier did again costs no more than the frontier would have: of that the
shares alone speak, beginning with how often the frontier alone is right for this kind of work. A
local tier that was wrong there costs less than one that was not asked and would have been right, so
one good verdict is enough to begin with, and none is too few.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from twotier.domain.known import Known, Record
from twotier.domain.task import Task
from twotier.domain.tier import TierSpec
from twotier.router.beta import quantile
from twotier.router.gain import PRIOR as KINDS
from twotier.router.gain import PRIOR_RUNS
from twotier.router.row import Abstains, Choice

RUNS_MIN = 2.5  # three that are not old: each weighs a little less than 1
COVERED_MIN = 0.9  # a good one that is not old, where what fails is done again
FAILURES = 2  # of the last five
AGAIN = 3  # good ones in a row that overrule them
FAILURE_RUNS = 4.0
BOUND = 0.2  # of the posterior lies under the lower bound, and as much over the upper one
SURE = 0.9  # from this lower bound on, answers are checked by samples only
PRIOR = 0.5  # Jeffreys: half a success and half a failure
# Of a frontier model that nobody has watched: 19 in 20, worth five runs.
FRONTIER_GOOD, FRONTIER_BAD = 4.75, 0.25

ANY_KIND = "unknown"

UNKNOWN = Abstains("nothing is known of such work yet")
ONE_SIDE = Abstains("only one side is left")


class Odds(msgspec.Struct, frozen=True):
    """A tier's share of successes: the mean of its posterior and both bounds, and the weight of the
    runs behind it.
    """

    mean: float
    low: float
    high: float
    weight: float


def odds(record: Record, *, frontier: bool = False) -> Odds:
    """By its verified outcomes, aged."""
    good = record.good + (FRONTIER_GOOD if frontier else PRIOR)
    bad = record.bad + (FRONTIER_BAD if frontier else PRIOR)
    a, b = round(good, 2), round(bad, 2)  # so that the same record is remembered
    low, high = quantile(BOUND, good=a, bad=b), quantile(1 - BOUND, good=a, bad=b)
    return Odds(good / (good + bad), low, high, record.good + record.bad)


def fell(record: Record) -> bool:
    """Whether its last verdicts keep it away."""
    redone = record.redone or (False,) * len(record.lately)
    harmless = [good or again for good, again in zip(record.lately, redone, strict=True)]
    return harmless.count(False) >= FAILURES and not all(harmless[-AGAIN:])


def needed(frontier: Record) -> float:
    """The share of successes from which on the local tier is the better choice."""
    return odds(frontier, frontier=True).mean - 1 / FAILURE_RUNS


def likely(here: Record, there: Record, *, kind: str) -> float:
    """The share of successes to be expected of the local tier at this kind of work, before and
    after what its record says.
    """
    before = odds(there, frontier=True).mean - KINDS.get(kind, KINDS[ANY_KIND])
    return (before * PRIOR_RUNS + here.good) / (PRIOR_RUNS + here.good + here.bad)


def decide(task: Task, known: Known, *, tiers: Sequence[TierSpec]) -> Choice | Abstains:
    """The row: what the record says of the tiers that are left."""
    return decided(known, tiers=tiers, kind=task.kind)


def decided(known: Known, *, tiers: Sequence[TierSpec], kind: str = ANY_KIND) -> Choice | Abstains:
    """Which side the record is for, between the tiers that would be asked first of each side."""
    if not known.records:
        return UNKNOWN
    local = next((tier.name for tier in tiers if tier.local), "")
    frontier = next((tier.name for tier in tiers if not tier.local), "")
    if not local or not frontier:
        return ONE_SIDE
    here = known.records.get(local, Record(local))
    there = known.records.get(frontier, Record(frontier))
    if known.recheck == local:
        return Choice(f"{told(here)}: tried again, to see whether it has recovered", "local")
    return _fell(here, there) if fell(here) else _stands(here, there, kind=kind)


def _fell(here: Record, there: Record) -> Choice:
    """The local tier has failed of late: the other one, unless that is no better."""
    if not fell(there):
        return Choice(told(here), "frontier")
    side = "local" if odds(here).mean >= needed(there) else "frontier"
    return Choice(f"{told(here)}; {told(there)}", side)


def _stands(here: Record, there: Record, *, kind: str) -> Choice | Abstains:
    """The local tier has not failed of late; how sure is it that it does well enough?"""
    seen, need = odds(here), needed(there)
    figures = f"{need:.0%} are needed beside {there.tier}"
    if seen.weight >= RUNS_MIN and seen.high < need:
        return Choice(f"{told(here)}, at most {seen.high:.0%}; {figures}", "frontier")
    if fell(there):
        return Choice(told(there), "local")
    share = likely(here, there, kind=kind)
    if here.covered and here.good >= COVERED_MIN and share >= need:
        text = f"{told(here)}, {share:.0%} are likely, and what fails is done again; {figures}"
        return Choice(text, "local", sure=seen.low >= SURE)
    if seen.weight < RUNS_MIN:
        return Abstains(f"{told(here)}; about 3 verified runs are needed")
    if seen.low >= need:
        text = f"{told(here)}, at least {seen.low:.0%}; {figures}"
        return Choice(text, "local", sure=seen.low >= SURE)
    between = f"between {seen.low:.0%} and {seen.high:.0%}"
    return Abstains(f"{told(here)}, {between}; {figures}: not clear yet")


def told(record: Record) -> str:
    """A tier's last verdicts, in words."""
    if not record.lately:
        aged = f", aged {record.good:.1f} good and {record.bad:.1f} bad" * bool(record.runs)
        return f"{record.tier}: nothing verified of late{aged}"
    good, count = record.lately.count(True), len(record.lately)
    again = sum(record.redone)
    redone = f", {again} done again elsewhere" if again else ""
    return f"{record.tier}: {good} of the last {count} verified runs good{redone}"
