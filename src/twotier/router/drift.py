"""Does a tier do worse of late than it did before? Pure.

The last verified runs of a tier, whatever work they were, are held against what each of them was
worth by the record of its own work before: so another mix of jobs is no change, and a fall that is
small in each of many jobs is seen. How likely so few successes are, if nothing had changed, is
counted exactly (the sum of unequal chances, one run after the other); what work was worth before is
taken as its lower bound. It is asked after each run, of three windows, so the bar is far below one
in a hundred. Of tiers that never change, 2 to 7 in 100 are told of within a hundred runs; one that
falls from 95 to 55 in 100 is seen in 95 of 100 cases, half of them within 11 runs (simulated).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from twotier.domain.verdict import GOOD, Judgement
from twotier.router.beta import quantile

WINDOWS = (6, 12, 24)
BEFORE_MIN = 8  # verified runs of the same work under the same prompt, older than the window
CHANCE = 0.0005  # so unlikely, and it is told
RECOVERED = 0.05  # so likely again, and it is over
BOUND = 0.2  # of the posterior of work before lies under what it is taken for
PRIOR = 0.5


class Drift(msgspec.Struct, frozen=True):
    """A fall: of `count` last runs `good` were good, where `expected` were to be expected. `key` is
    the work with most of the missing ones, `chance` how likely it is without any change.
    """

    tier: str
    good: int
    count: int
    expected: float
    key: str
    chance: float

    @property
    def sure(self) -> bool:
        """Whether a person should hear of it."""
        return self.chance < CHANCE


def drift(tier: str, past: Sequence[Judgement]) -> Drift | None:
    """What is seen in the judgements of a tier, the oldest first; None where all is as before. One
    that is not `sure` is nothing new, but what was told before is not over.
    """
    told = [one for one in past if one.verified]
    seen = (_window(told, size, tier=tier) for size in WINDOWS)
    found = [one for one in seen if one is not None]
    worst = min(found, key=lambda one: one.chance, default=None)
    return worst if worst is not None and worst.chance < RECOVERED else None


def _window(told: Sequence[Judgement], size: int, *, tier: str) -> Drift | None:
    """How the last so many compare; None where there are too few with a past."""
    past = _past(told[:-size])
    recent = [one for one in told[-size:] if sum(past[one.key, one.prompt]) >= BEFORE_MIN]
    if len(recent) < size // 2:
        return None
    missing: defaultdict[str, float] = defaultdict(float)
    lows, expected = [], 0.0
    for one in recent:
        good, bad = past[one.key, one.prompt]
        share = (good + PRIOR) / (good + bad + 2 * PRIOR)
        expected += share
        missing[one.key] += share - (one.good == GOOD)
        lows.append(quantile(BOUND, good=good + PRIOR, bad=bad + PRIOR))
    found = sum(one.good == GOOD for one in recent)
    worst = max(missing, key=lambda key: missing[key])
    return Drift(tier, found, len(recent), expected, worst, at_most(found, lows))


def _past(before: Sequence[Judgement]) -> defaultdict[tuple[str, str], list[int]]:
    """Good and bad ones of each work under each prompt."""
    sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in before:
        sums[one.key, one.prompt][one.good != GOOD] += 1
    return sums


def at_most(good: int, chances: Sequence[float]) -> float:
    """How likely it is that at most so many succeed, each with its own chance."""
    likely = [1.0]
    for chance in chances:
        failed = [one * (1 - chance) for one in (*likely, 0.0)]
        likely = [
            one + (likely[count - 1] * chance if count else 0.0) for count, one in enumerate(failed)
        ]
    return sum(likely[: good + 1])
