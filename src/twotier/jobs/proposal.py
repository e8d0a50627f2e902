"""What comparisons prove: may a job go to the cheaper tier, and what does that save. Pure.

The claim is about the share of runs in which the cheaper tier serves as well as the dearer one. Ten
of ten is not a hundred per cent: what is told is the lower end of Wilson's interval, which is right
in 95 of 100 such series. Below the bar the answer is "not yet", with what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from twotier.jobs.judging import Verdict

Z = 1.96  # two sides, 95 %
BAR_PERCENT = 70
RUNS_MIN = 8
MORE_MAX = 20  # nobody compares a hundred more to find out
MONTH_DAYS = 30.0
DAYS_MIN = 1.0  # a job known for an hour does not tell what it does in a month


@dataclass(frozen=True, slots=True)
class Pair:
    """One piece of work done twice. `cheaper_fits`: the cheaper tier's answer passed all checks.

    `verdict` says how the other answer stands beside the job's own, `other_cheaper` which of them
    is the cheaper tier's.
    """

    cheaper_fits: bool
    verdict: Verdict
    other_cheaper: bool

    @property
    def serves(self) -> bool | None:
        """Whether the cheaper tier serves as well; None where that was not decided."""
        if not self.cheaper_fits:
            return False
        if self.verdict in (Verdict.UNDECIDED, Verdict.NONE):
            return None
        worse = Verdict.WORSE if self.other_cheaper else Verdict.BETTER
        return self.verdict is not worse


@dataclass(frozen=True, slots=True)
class Pace:
    """What a job did in so many days: pieces of work with an answer, and what they cost."""

    pieces: int
    cost_microusd: int
    days: float

    @property
    def pieces_a_month(self) -> float:
        """As many as there were, over a whole month."""
        return self.pieces * MONTH_DAYS / max(self.days, DAYS_MIN)

    @property
    def microusd_a_month(self) -> float:
        """What they cost."""
        return self.cost_microusd * MONTH_DAYS / max(self.days, DAYS_MIN)


@dataclass(frozen=True, slots=True)
class Proposal:
    """The result. `ready`: the evidence is enough. `missing` says what is not there yet.

    `percent_min` of all runs are served as well by the cheaper tier, with 95 % certainty.
    `saved_microusd_a_month` is what the dearer tier costs more than the cheaper one.
    """

    ready: bool
    good: int
    counted: int
    undecided: int
    percent_min: float
    saved_microusd_a_month: float
    missing: str = ""


def propose(
    pairs: Sequence[Pair], *, saved_microusd_a_month: float, bar_percent: float = BAR_PERCENT
) -> Proposal:
    """What these pairs prove."""
    serves = [pair.serves for pair in pairs]
    good, counted = serves.count(True), len(serves) - serves.count(None)
    percent = 100 * lower(good, counted)
    ready = counted >= RUNS_MIN and percent >= bar_percent
    return Proposal(
        ready=ready,
        good=good,
        counted=counted,
        undecided=serves.count(None),
        percent_min=percent,
        saved_microusd_a_month=saved_microusd_a_month,
        missing="" if ready else missing(good, counted, bar_percent=bar_percent),
    )


def lower(good: int, counted: int) -> float:
    """The lower end of Wilson's interval for a share of `good` in `counted`; 0 for none."""
    if not counted:
        return 0.0
    share, square = good / counted, Z * Z
    middle = share + square / (2 * counted)
    spread = Z * math.sqrt((share * (1 - share) + square / (4 * counted)) / counted)
    return max(0.0, (middle - spread) / (1 + square / counted))


def missing(good: int, counted: int, *, bar_percent: float) -> str:
    """What it would take."""
    for more in range(1, MORE_MAX + 1):
        enough = counted + more >= RUNS_MIN
        if enough and 100 * lower(good + more, counted + more) >= bar_percent:
            runs = "1 more run" if more == 1 else f"{more} more runs"
            return f"{runs} without a failure"
    return f"it failed in {counted - good} of {counted}; change its prompt, and try again"


def saved_a_month(pace: Pace, *, cheaper_microusd: float, dearer_microusd: float) -> float:
    """Micro-dollars a month between two tiers, from what a piece of work cost on each."""
    return (dearer_microusd - cheaper_microusd) * pace.pieces_a_month
