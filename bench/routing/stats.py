"""What every routing bench says beside its figure, so that luck is not taken for skill.

A policy sends some rows to the frontier. Beside it stand: nobody sent, everybody sent, the same
share sent blindly (the shuffled control: the policy's own choice, dealt to other rows until the
same is spent), and the best that anybody could do at that share who knew the outcomes (the oracle).
Intervals are percentiles of a bootstrap over rows. Splits are random, or leave one group (a source,
a repository) out, which is what new work looks like.

Outcomes are numbers between 0 and 1, one a row. Everything is seeded; nothing needs numpy.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

TIMES = 1_000
LOW, HIGH = 0.025, 0.975
Measure = Callable[[Sequence[int]], float]  # of the rows with these numbers, some more than once


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure of all rows, and between what it lies in 95 of 100 samples of as many."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Whether each tier does each row. `costs`: what a row costs on the frontier; none: the same
    for all.
    """

    strong: Sequence[float]
    weak: Sequence[float]
    costs: Sequence[float] = ()

    def __len__(self) -> int:
        return len(self.strong)

    def cost(self, row: int) -> float:
        """What it spends to send this row."""
        return self.costs[row] if self.costs else 1.0

    def quality(self, sent: Sequence[float], rows: Sequence[int] | None = None) -> float:
        """The mean outcome. `sent` is 1 where the frontier's answer counts (between: how often)."""
        chosen = range(len(self)) if rows is None else rows
        total = sum(
            sent[row] * self.strong[row] + (1 - sent[row]) * self.weak[row] for row in chosen
        )
        return total / len(chosen)


@dataclass(frozen=True, slots=True)
class Score:
    """A policy beside the others. `share` of all rows went to the frontier, `spent` of what all
    would have cost. `of_strong` is its quality as a part of the frontier's. `shuffled` is the mean
    of the blind control, `luck` how often that did as well.
    """

    quality: Interval
    share: Interval
    spent: float
    of_strong: Interval
    strong: float
    weak: float
    shuffled: float
    shuffled_high: float
    luck: float
    oracle: float

    def __str__(self) -> str:
        return (
            f"quality {self.quality}, {self.of_strong.value:.1%} [{self.of_strong.low:.1%},"
            f" {self.of_strong.high:.1%}] of the frontier's, at {self.share.value:.1%} of its"
            f" calls and {self.spent:.1%} of its cost; shuffled {self.shuffled:.3f} (to"
            f" {self.shuffled_high:.3f}, p = {self.luck:.3f}), oracle {self.oracle:.3f},"
            f" all local {self.weak:.3f}, all frontier {self.strong:.3f}"
        )


def score(outcomes: Outcomes, sent: Sequence[float], *, seed: int = 0, times: int = TIMES) -> Score:
    """All of it for one policy; `sent` is 1 for a row of the frontier, 0 for a local one."""
    every = range(len(outcomes))
    strong, weak = statistics.fmean(outcomes.strong), statistics.fmean(outcomes.weak)

    def of_strong(rows: Sequence[int]) -> float:
        best = sum(outcomes.strong[row] for row in rows) / len(rows)
        return outcomes.quality(sent, rows) / best if best else 0.0

    def share(rows: Sequence[int]) -> float:
        return sum(sent[row] for row in rows) / len(rows)

    quality, of, shares = bootstrap(
        (lambda rows: outcomes.quality(sent, rows), of_strong, share),
        len(outcomes),
        seed=seed,
        times=times,
    )
    blind = shuffled(outcomes, sent, seed=seed, times=times)
    total = sum(outcomes.cost(row) for row in every)
    spent = sum(sent[row] * outcomes.cost(row) for row in every)
    return Score(
        quality=quality,
        share=shares,
        spent=spent / total,
        of_strong=of,
        strong=strong,
        weak=weak,
        shuffled=statistics.fmean(blind),
        shuffled_high=percentile(blind, HIGH),
        luck=sum(one >= quality.value for one in blind) / len(blind),
        oracle=outcomes.quality(oracle(outcomes, shares.value)),
    )


def bootstrap(
    measures: Sequence[Measure], size: int, *, seed: int = 0, times: int = TIMES
) -> list[Interval]:
    """Each measure of all rows, with its interval; all of them see the same samples."""
    chance = random.Random(seed)
    every = range(size)
    seen: list[list[float]] = [[] for _ in measures]
    for _ in range(times):
        rows = chance.choices(every, k=size)
        for found, measure in zip(seen, measures, strict=True):
            found.append(measure(rows))
    return [
        Interval(measure(every), percentile(found, LOW), percentile(found, HIGH))
        for measure, found in zip(measures, seen, strict=True)
    ]


def shuffled(
    outcomes: Outcomes, sent: Sequence[float], *, seed: int = 0, times: int = TIMES
) -> list[float]:
    """The quality of blind policies that spend the same: rows in any order, as long as it lasts."""
    chance = random.Random(seed)
    order = list(range(len(outcomes)))
    budget = sum(sent[row] * outcomes.cost(row) for row in order)
    found = []
    for _ in range(times):
        chance.shuffle(order)
        found.append(outcomes.quality(within(outcomes, order, budget=budget)))
    return found


def within(outcomes: Outcomes, order: Sequence[int], *, budget: float) -> list[float]:
    """Who is sent, in this order, until the budget is used up; of the last one the part it pays."""
    sent = [0.0] * len(outcomes)
    for row in order:
        cost = outcomes.cost(row)
        sent[row] = 1.0 if cost <= 0 else max(0.0, min(1.0, budget / cost))
        budget -= cost
        if budget <= 0:
            break
    return sent


def oracle(outcomes: Outcomes, share: float) -> list[float]:
    """The best that can be done with at most this share of rows by who knows the outcomes."""
    gains = [strong - weak for strong, weak in zip(outcomes.strong, outcomes.weak, strict=True)]
    best = sorted(range(len(outcomes)), key=lambda row: -gains[row])
    sent = [0.0] * len(outcomes)
    for row in best[: int(share * len(outcomes) + 1e-9)]:
        sent[row] = float(gains[row] > 0)
    return sent


def ranked(
    outcomes: Outcomes, needs: Sequence[float], share: float, *, seed: int = 0
) -> list[float]:
    """Who is sent if this share of rows may be: the highest need first, ties by chance."""
    chance = random.Random(seed)
    order = sorted(range(len(outcomes)), key=lambda row: (-needs[row], chance.random()))
    sent = [0.0] * len(outcomes)
    for row in order[: round(share * len(outcomes))]:
        sent[row] = 1.0
    return sent


def share_for(outcomes: Outcomes, needs: Sequence[float], part: float, *, seed: int = 0) -> float:
    """The least share of rows, highest need first, with which the quality reaches this part of the
    frontier's; 1 where none does.
    """
    chance = random.Random(seed)
    order = sorted(range(len(outcomes)), key=lambda row: (-needs[row], chance.random()))
    total, wanted = sum(outcomes.weak), part * sum(outcomes.strong)
    for count, row in enumerate(order):
        if total >= wanted:
            return count / len(outcomes)
        total += outcomes.strong[row] - outcomes.weak[row]
    return 1.0


# -- splits


@dataclass(frozen=True, slots=True)
class Split:
    """What may be learned from, and what is then asked: numbers of rows."""

    name: str
    learn: Sequence[int]
    ask: Sequence[int]


def folds(size: int, count: int = 5, *, seed: int = 0) -> Iterator[Split]:
    """A random split: each row is asked once, by who learned from the other parts."""
    order = list(range(size))
    random.Random(seed).shuffle(order)
    for number in range(count):
        ask = sorted(order[number::count])
        inside = set(ask)
        yield Split(f"fold {number}", [row for row in range(size) if row not in inside], ask)


def leave_out(groups: Sequence[Hashable]) -> Iterator[Split]:
    """Each group is asked by who saw none of it: a new source, a new repository."""
    for group in dict.fromkeys(groups):
        ask = [row for row, one in enumerate(groups) if one == group]
        yield Split(str(group), [row for row, one in enumerate(groups) if one != group], ask)


# -- of rankings


def auc(truth: Sequence[bool], needs: Sequence[float]) -> float:
    """How often a row that is true ranks above one that is not; 0.5 is chance."""
    ranks, trues = ranks_of(needs), sum(truth)
    falses = len(truth) - trues
    if not trues or not falses:
        return float("nan")
    total = sum(rank for rank, true in zip(ranks, truth, strict=True) if true)
    return (total - trues * (trues + 1) / 2) / (trues * falses)


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """The correlation of ranks."""
    return statistics.correlation(ranks_of(one), ranks_of(other))


def ranks_of(values: Sequence[float]) -> list[float]:
    """The place of each value, from 1; equal ones share the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    begin = 0
    while begin < len(order):
        end = begin
        while end < len(order) and values[order[end]] == values[order[begin]]:
            end += 1
        for place in order[begin:end]:
            ranks[place] = (begin + end + 1) / 2
        begin = end
    return ranks


def percentile(values: Sequence[float], part: float) -> float:
    """The value below which this part of them lies, between two by their distance."""
    ordered = sorted(values)
    at = part * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)
