"""How long something may become, by its middle, its ninth tenth, and what is there already."""

from __future__ import annotations

import random

import pytest

from twotier.verify.lengths import longest


def test_99_in_100_do_not_exceed_it() -> None:
    """2.326 / 1.282 times as far from the middle as the ninth tenth."""
    assert longest(100.0, 200.0) == pytest.approx(352, abs=0.5)


def test_what_is_there_already_makes_longer_ones_likely() -> None:
    """The bound holds for each share of what has come so far, not only at the beginning."""
    chance = random.Random(5)
    seen = [100.0 * chance.lognormvariate(0.0, 0.541) for _ in range(200_000)]
    for written in (0.0, 50.0, 150.0, 300.0):
        longer = [one for one in seen if one > written]
        most = longest(100.0, 200.0, beyond=written)
        over = sum(one > most for one in longer) / len(longer)
        assert over == pytest.approx(0.01, abs=0.005), written


@pytest.mark.parametrize(
    ("p50", "p90", "beyond", "most"),
    [
        (0.0, 7.0, 0.0, 7.0),
        (400.0, 400.0, 0.0, 400.0),
        (400.0, 400.0, 500.0, 500.0),
        (100.0, 200.0, 1e9, 1e9),
    ],
)
def test_what_does_not_scatter_or_is_far_out(
    p50: float, p90: float, beyond: float, most: float
) -> None:
    assert longest(p50, p90, beyond=beyond) == most
