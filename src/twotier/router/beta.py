"""The Beta distribution, as far as a share of successes needs it. Pure.

The distribution function is the regularised incomplete beta function, by its continued fraction
(Press et al., Numerical Recipes, 3rd edition, section 6.4, modified Lentz's method); a quantile is
found by halving. A few thousand pairs are remembered, because the same record is asked again.
"""

from __future__ import annotations

import math
from functools import lru_cache

EXACT = 1e-12
TINY = 1e-300
HALVINGS = 40
REMEMBERED = 4_096


@lru_cache(REMEMBERED)
def quantile(share: float, *, good: float, bad: float) -> float:
    """The value under which so much of Beta(good, bad) lies; both above 0."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if below(middle, good=good, bad=bad) < share:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def below(x: float, *, good: float, bad: float) -> float:
    """How much of Beta(good, bad) lies under `x`, which lies between 0 and 1."""
    log_front = (
        math.lgamma(good + bad)
        - math.lgamma(good)
        - math.lgamma(bad)
        + good * math.log(x)
        + bad * math.log1p(-x)
    )
    front = math.exp(log_front)
    # The fraction converges quickly on its own side of the mean.
    if x < (good + 1) / (good + bad + 2):
        return front * _fraction(x, a=good, b=bad) / good
    return 1 - front * _fraction(1 - x, a=bad, b=good) / bad


def _fraction(x: float, *, a: float, b: float) -> float:
    m, c, d = 0, 1.0, 1 / _off_zero(1 - (a + b) * x / (a + 1))
    found, change = d, 0.0
    while abs(change - 1) > EXACT:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _off_zero(1 + term * d)
            c = _off_zero(1 + term / c)
            change = d * c
            found *= change
    return found


def _off_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY
