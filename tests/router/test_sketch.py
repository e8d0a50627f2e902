"""Quantiles out of counts in boxes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.router.sketch import WEIGHT_MAX, Sketch


def of(values: list[float]) -> Sketch:
    sketch = Sketch()
    for value in values:
        sketch.note(value)
    return sketch


@given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=150))
def test_a_quantile_is_right_to_seven_percent(values: list[float]) -> None:
    """Of each share: some value that so many do not exceed, give or take a box."""
    sketch, ordered = of(values), sorted(values)
    for share in (0.1, 0.5, 0.9):
        true = ordered[max(0, -int(-share * len(values) // 1) - 1)]
        assert sketch.at(share) == pytest.approx(true, rel=0.08)


def test_nothing_is_nothing() -> None:
    assert Sketch().at(0.5) == 0.0
    assert Sketch().above(5.0) == 0.0
    assert of([0.0, -3.0]).at(0.9) == pytest.approx(1.0, rel=0.08)


def test_it_tells_how_much_is_above() -> None:
    sketch = of([10.0] * 30 + [1_000.0] * 10)
    assert (sketch.above(100.0), sketch.above(5_000.0), sketch.above(1.0)) == (0.25, 0.0, 1.0)


def test_the_past_fades() -> None:
    """What was long ago is outvoted by what is now, and nothing grows without end."""
    chance = random.Random(3)
    sketch = of([chance.uniform(90, 110) for _ in range(2_000)])
    for _ in range(800):
        sketch.note(chance.uniform(900, 1_100))
    assert sketch.at(0.5) == pytest.approx(1_000, rel=0.15)
    assert sum(sketch.counts.values()) <= WEIGHT_MAX + 50
    assert sketch.seen == 2_800


def test_it_can_be_kept() -> None:
    sketch, again = of([3.0, 40.0, 41.0, 500.0]), Sketch()
    for box, count in sketch.boxes():
        again.put(box, count, seen=sketch.seen)
    assert again == sketch
    spread = again.spread("test")
    assert (spread.count, spread.source) == (4, "test")
    assert spread.p50 < spread.p90
