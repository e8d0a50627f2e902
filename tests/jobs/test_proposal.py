"""How much a series of comparisons proves, and what it saves."""

from __future__ import annotations

import pytest

from twotier.jobs.judging import Verdict
from twotier.jobs.proposal import Pace, Pair, lower, propose, saved_a_month

GOOD = Pair(cheaper_fits=True, verdict=Verdict.SAME, other_cheaper=True)
BAD = Pair(cheaper_fits=False, verdict=Verdict.NONE, other_cheaper=True)
OPEN = Pair(cheaper_fits=True, verdict=Verdict.UNDECIDED, other_cheaper=True)


@pytest.mark.parametrize(
    ("good", "counted", "percent"),
    [(0, 0, 0.0), (10, 10, 72.2), (9, 10, 59.6), (8, 8, 67.6), (0, 5, 0.0), (95, 100, 88.8)],
)
def test_the_lower_end_of_wilsons_interval(good: int, counted: int, percent: float) -> None:
    """As tables have it."""
    assert 100 * lower(good, counted) == pytest.approx(percent, abs=0.06)


def test_ten_of_ten_are_enough_and_nine_of_ten_are_not() -> None:
    """And what would be enough is said."""
    ready = propose([GOOD] * 10, saved_microusd_a_month=9)
    assert (ready.ready, ready.good, ready.counted, ready.missing) == (True, 10, 10, "")
    assert ready.saved_microusd_a_month == 9
    nearly = propose([GOOD] * 9 + [BAD], saved_microusd_a_month=9)
    assert (nearly.ready, nearly.missing) == (False, "5 more runs without a failure")


def test_what_is_undecided_is_not_counted() -> None:
    """It is told, and counts neither way."""
    found = propose([GOOD] * 8 + [OPEN] * 4, saved_microusd_a_month=0)
    assert (found.counted, found.undecided, found.ready) == (8, 4, False)
    assert found.missing == "1 more run without a failure"


def test_a_tier_that_fails_mostly_is_not_asked_for_a_hundred_runs_more() -> None:
    """The prompt, or the model, is what has to change."""
    assert "it failed in 10 of 10" in propose([BAD] * 10, saved_microusd_a_month=0).missing


@pytest.mark.parametrize(
    ("verdict", "other_cheaper", "serves"),
    [
        (Verdict.BETTER, True, True),
        (Verdict.WORSE, True, False),
        (Verdict.WORSE, False, True),
        (Verdict.BETTER, False, False),
        (Verdict.NONE, False, None),
    ],
)
def test_whose_answer_is_meant_depends_on_who_is_cheaper(
    verdict: Verdict, other_cheaper: bool, serves: bool | None
) -> None:
    """A job on the local tier is held against the frontier, one on the frontier against the local
    tier; the claim is about the cheaper one either way.
    """
    assert Pair(True, verdict, other_cheaper).serves is serves


def test_a_month_is_what_was_seen_in_so_many_days() -> None:
    """Ten pieces in ten days are thirty a month; of a job known for an hour nothing is blown up."""
    pace = Pace(10, 5_000, 10.0)
    assert (pace.pieces_a_month, pace.microusd_a_month) == (30.0, 15_000.0)
    assert Pace(1, 10, 0.01).pieces_a_month == 30.0
    assert saved_a_month(pace, cheaper_microusd=100, dearer_microusd=500) == 12_000.0
