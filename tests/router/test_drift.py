"""A fall is told where it is one, and chance is not."""

from __future__ import annotations

import random

import pytest

from tests.router.judged import judged
from twotier.router.drift import at_most, drift


def test_a_tier_that_falls_is_seen() -> None:
    """With the figures, and the work that misses most."""
    found = drift("local", judged("+" * 30 + "-+--"))
    assert found is not None
    assert (found.tier, found.key) == ("local", "brief")
    assert found.good < found.expected
    assert found.sure


@pytest.mark.parametrize(
    "words",
    ["", "+" * 40, "----", "-" * 30, "+-" * 20, "+" * 30 + "-", "+" * 30 + "??????", "++++----"],
)
def test_what_is_as_before_is_no_fall(words: str) -> None:
    """Nor is one failure, or what has no past that it could be held against."""
    found = drift("local", judged(words))
    assert found is None or not found.sure


def test_another_mix_of_work_is_no_fall() -> None:
    """What fails often anyway may run more often."""
    easy = judged("+" * 20, key="easy", days_ago=2)
    hard = judged("+-" * 20, key="hard", days_ago=1)
    later = judged("+-" * 6, key="hard")
    found = drift("local", [*easy, *hard, *later])
    assert found is None or not found.sure


def test_one_that_was_told_lasts_until_it_has_recovered() -> None:
    """Not until it is a little better."""
    better = drift("local", judged("+" * 30 + "-+--" + "+" * 6))
    assert better is not None
    assert not better.sure
    assert drift("local", judged("+" * 30 + "-+--" + "+" * 40)) is None


def test_an_edited_prompt_has_no_past() -> None:
    """What its owner changed is no drift of the tier."""
    assert drift("local", [*judged("+" * 30, days_ago=1), *judged("-----", prompt="q")]) is None


def test_chance_alone_is_seldom_told() -> None:
    """Asked again and again in a hundred runs, of 40 tiers that never change."""
    chance, told = random.Random(7), 0
    for _ in range(40):
        words = "".join("+" if chance.random() < 0.85 else "-" for _ in range(100))
        seen = (drift("local", judged(words[max(0, n - 50) : n])) for n in range(20, 101, 5))
        told += any(one is not None and one.sure for one in seen)
    assert told <= 3


def test_so_few_successes() -> None:
    """Against the binomial distribution worked out by hand."""
    assert at_most(0, [0.5, 0.5]) == pytest.approx(0.25)
    assert at_most(1, [0.9, 0.5]) == pytest.approx(1 - 0.45)
    assert at_most(3, [0.9, 0.5, 0.1]) == pytest.approx(1.0)
