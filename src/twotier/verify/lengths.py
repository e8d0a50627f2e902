"""How long something may become that is known by its middle and its ninth tenth. Pure.

Logarithms of lengths are taken to be normal. What has come so far already is likely to become
longer than what has just begun, so the bound is that of its like: 99 in 100 of those that are
longer than what is there do not exceed it. A bound that stays where it was is passed by the very
ones that it is for.
"""

from __future__ import annotations

from math import exp, log
from statistics import NormalDist

NORMAL = NormalDist()
REST = 0.01  # may be longer still
REST_MIN = 1e-12  # of all: farther out the distribution says nothing
NINTH = NORMAL.inv_cdf(0.9)
# A tier is taken to be so much slower than was predicted where a moment must not be missed.
SLOW = 1.25


def longest(p50: float, p90: float, *, beyond: float = 0.0) -> float:
    """What 99 in 100 do not exceed of those that are longer than `beyond`, in the same unit."""
    if p50 <= 0.0 or p90 <= p50:
        return max(p90, beyond)
    sigma = log(p90 / p50) / NINTH
    longer = NORMAL.cdf(log(p50 / beyond) / sigma) if beyond > 0.0 else 1.0
    rest = max(REST * longer, REST_MIN)
    return max(p50 * exp(-sigma * NORMAL.inv_cdf(rest)), beyond)
