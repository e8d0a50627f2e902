"""Thresholds are proposed where the newer part bears out what the older one says."""

from __future__ import annotations

import random
from math import inf

from twotier.router.tuning import (
    SAMPLES_MIN,
    Sample,
    bound,
    candidates,
    loss,
    rounded,
    tuned,
)

VALUE = 1_000_000
CHANCE = random.Random(1)


def work(count: int, bad_from: float, *, noise: float = 0.0) -> list[Sample]:
    """Pieces of any size up to 100; from one size on they go wrong, and some do anyway."""
    sizes = [CHANCE.uniform(1, 100) for _ in range(count)]
    return [Sample(size, size > bad_from or CHANCE.random() < noise, 50_000) for size in sizes]


def test_a_real_limit_is_found_and_proposed() -> None:
    """Near where things begin to go wrong, with what it is worth."""
    found = tuned(work(400, 60, noise=0.02), current=None, value_microusd=VALUE)
    assert found is not None
    assert found.proposed
    assert found.threshold is not None
    assert 50 <= found.threshold <= 66
    assert found.better > found.surely > 0
    assert (found.fitted, found.held_out) == (280, 120)


def test_nothing_is_proposed_where_size_says_nothing() -> None:
    """Bad ends at random, some of them: whatever fits the older part does not hold, or is none."""
    proposed = 0
    for _ in range(40):
        found = tuned(work(100, 101, noise=0.03), current=None, value_microusd=VALUE)
        assert found is not None
        proposed += found.proposed
    assert proposed <= 8


def test_one_that_is_too_strict_is_lifted() -> None:
    """Everything went well: work of any size may stay."""
    found = tuned(work(100, 101), current=20.0, value_microusd=VALUE)
    assert found is not None
    assert (found.proposed, found.threshold, found.current) == (True, None, 20.0)
    right = tuned(work(100, 101), current=None, value_microusd=VALUE)
    assert right is not None
    assert not right.proposed


def test_too_few_say_nothing() -> None:
    """And a change in the newer part is a reason against."""
    assert tuned(work(SAMPLES_MIN - 1, 50), current=None, value_microusd=VALUE) is None
    turned = [*work(140, 60), *work(60, 101)]
    found = tuned(turned, current=None, value_microusd=VALUE)
    assert found is not None
    assert not found.proposed


def test_the_parts() -> None:
    """Loss, candidates and bounds by themselves."""
    bad, good = Sample(10, True, 50_000), Sample(10, False, 50_000)
    assert [loss(one, 5, value_microusd=9) for one in (bad, good)] == [50_000, 50_000]
    assert [loss(one, inf, value_microusd=9) for one in (bad, good)] == [9, 0]
    assert candidates([bad], 7.0) == [7.0, inf, 10.0]
    assert candidates([bad], None)[:2] == [inf, inf]
    assert rounded(12_345) == 12_000
    assert bound([1.0] * 9) == 1.0
    assert bound([-1.0, 1.0] * 50) < 0
