"""The Beta distribution agrees with what can be worked out by hand, and with plain summing up."""

from __future__ import annotations

import math

import pytest

from twotier.router.beta import _off_zero, below, quantile


@pytest.mark.parametrize("good", [0.5, 1.0, 3.5, 48.0])
def test_with_no_failure_it_is_a_power(good: float) -> None:
    """Beta(a, 1) has the distribution function x**a."""
    for x in (0.01, 0.4, 0.9, 0.999):
        assert below(x, good=good, bad=1.0) == pytest.approx(x**good)
    assert quantile(0.2, good=good, bad=1.0) == pytest.approx(0.2 ** (1 / good))


@pytest.mark.parametrize(("good", "bad"), [(3.5, 0.5), (0.5, 3.5), (7.5, 1.5), (40.5, 9.5)])
def test_it_is_the_area_under_the_density(good: float, bad: float) -> None:
    """Summed up in small steps, from the middle out, where the density is finite."""
    x, steps = 0.4, 20_000
    norm = math.gamma(good + bad) / math.gamma(good) / math.gamma(bad)
    width = 0.4 / steps
    area = sum(
        norm * at ** (good - 1) * (1 - at) ** (bad - 1) * width
        for at in (x + (step + 0.5) * width for step in range(steps))
    )
    assert below(0.8, good=good, bad=bad) - below(0.4, good=good, bad=bad) == pytest.approx(
        area, abs=1e-6
    )


def test_a_quantile_is_the_way_back() -> None:
    """And the two sides of a share of a half mirror each other."""
    for share in (0.05, 0.2, 0.5, 0.95):
        found = quantile(share, good=4.5, bad=1.5)
        assert below(found, good=4.5, bad=1.5) == pytest.approx(share, abs=1e-6)
        assert quantile(share, good=2.5, bad=6.0) == pytest.approx(
            1 - quantile(1 - share, good=6.0, bad=2.5)
        )


def test_a_fraction_that_vanishes_is_not_divided_by() -> None:
    """Lentz's method needs a number there, however small."""
    assert _off_zero(0.0) > 0
    assert _off_zero(-0.5) == -0.5
