"""Thresholds that the record would have been better off with, and whether that holds. Pure.

A threshold says from which size on work does not stay on the local tier. On the older part of what
was seen the one with the least loss is looked for; on the newer part, which had no say in it, its
loss is held against that of the threshold in force. Proposed is only what is better there by a
bound that four of five resamples of that part reach. Loss is money: what is done at the frontier
costs its price, and what was done here and was bad costs what a right answer is worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from math import inf

import msgspec

FIT_SHARE = 0.7
SAMPLES_MIN = 40
CANDIDATES = 24
RESAMPLES = 400
BOUND = 0.2
SEED = 7


class Sample(msgspec.Struct, frozen=True):
    """One piece of work that was done here: how large it was, whether that was a bad end, and what
    it would have cost at the frontier, in micro-dollars.
    """

    size: float
    bad: bool
    elsewhere_microusd: int


class Proposal(msgspec.Struct, frozen=True):
    """What was found. `threshold` is None where work of any size should stay; `better` and
    `surely` are micro-dollars a piece on the held-out part: the mean, and what four of five
    resamples reach. `proposed`: it is worth a change.
    """

    fitted: int
    held_out: int
    current: float | None
    threshold: float | None
    better: float
    surely: float
    proposed: bool


def tuned(
    samples: Sequence[Sample], *, current: float | None, value_microusd: int
) -> Proposal | None:
    """The best threshold, `samples` being in the order of time; None where there are too few of
    them. `current` is the one in force, None for none.
    """
    if len(samples) < SAMPLES_MIN:
        return None
    cut = int(len(samples) * FIT_SHARE)
    older, newer = samples[:cut], samples[cut:]
    at = min(
        candidates(older, current),
        key=lambda one: sum(loss(sample, one, value_microusd=value_microusd) for sample in older),
    )
    now = inf if current is None else current
    gains = [
        loss(one, now, value_microusd=value_microusd) - loss(one, at, value_microusd=value_microusd)
        for one in newer
    ]
    better, surely = sum(gains) / len(gains), bound(gains)
    return Proposal(
        fitted=len(older),
        held_out=len(newer),
        current=current,
        threshold=None if at == inf else at,
        better=better,
        surely=surely,
        proposed=at != now and surely > 0,
    )


def loss(sample: Sample, threshold: float, *, value_microusd: int) -> float:
    """What a piece costs under a threshold."""
    if sample.size > threshold:
        return float(sample.elsewhere_microusd)
    return float(value_microusd) if sample.bad else 0.0


def candidates(samples: Sequence[Sample], current: float | None) -> list[float]:
    """Sizes to try: the one in force first, so that it wins where nothing is better; none at all;
    and quantiles of what was seen, rounded to two digits.
    """
    sizes = sorted(sample.size for sample in samples)
    step = max(1, len(sizes) // CANDIDATES)
    seen = {rounded(size) for size in sizes[::step]}
    return [inf if current is None else current, inf, *sorted(seen)]


def rounded(size: float) -> float:
    """To two digits, as people write limits."""
    return float(f"{size:.1e}")


def bound(gains: Sequence[float]) -> float:
    """The mean that four of five resamples reach: a bootstrap that always draws the same."""
    count, chance = len(gains), places(len(gains))
    means = sorted(
        sum(gains[place] for place in islice(chance, count)) / count for _ in range(RESAMPLES)
    )
    return means[int(BOUND * RESAMPLES)]


def places(count: int) -> Iterator[int]:
    """Evenly drawn numbers below `count` (the generator of Knuth's MMIX, its upper half)."""
    state = SEED
    while True:
        state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        yield (state >> 33) * count >> 31
