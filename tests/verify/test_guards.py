"""Row by row: what a guard speaks at, and what it lets go on."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from twotier.verify.guards import (
    GUARDS,
    NAMES,
    NOTHING,
    Flight,
    Usual,
    fired,
    usual_of,
)

USUAL = Usual(runs=9, steps_p50=4, steps_p90=8, tokens_p50=400, tokens_p90=900)
# Of these the longest are 352 tokens; elsewhere that takes 9 seconds.
LONG = Usual(
    runs=50, tokens_p50=100.0, tokens_p90=200.0, elsewhere_begins=2.0, elsewhere_each=7 / 352
)
STEPS = Usual(runs=9, steps_p50=4, steps_p90=8, tokens_p50=1.0, elsewhere_each=2.0)
FEW = Usual(runs=4, steps_p90=2, tokens_p90=10, steps_p50=2)
TEXT = Usual(runs=9, tokens_p50=400, tokens_p90=900)


@pytest.mark.parametrize(
    ("flight", "usual", "name"),
    [
        (Flight(), USUAL, ""),
        (Flight(steps=8), USUAL, ""),
        (Flight(steps=9), USUAL, "steps"),
        (Flight(steps=9), FEW, ""),  # too few runs to know
        (Flight(steps=9), Usual(runs=30, steps_p90=8, late=3, late_good=2), ""),  # worth the wait
        (Flight(steps=9), Usual(runs=30, steps_p90=8, late=3, late_good=1), "steps"),
        (Flight(steps=9), Usual(runs=20, steps_p90=8, late=2, late_good=2), "steps"),
        (Flight(steps=4), Usual(runs=9, steps_p90=1), ""),  # a few are never too many
        (Flight(stale=3), USUAL, ""),
        (Flight(stale=4), USUAL, "stall"),
        (Flight(same_text=3), USUAL, "repetition"),
        (Flight(circles="it ends in the same 5 characters"), USUAL, "repetition"),
        (Flight(tokens=2_700), USUAL, ""),
        (Flight(tokens=2_701), USUAL, "tokens"),
        (Flight(tokens=9_999), FEW, ""),
        (Flight(tokens=1_000), Usual(runs=9, tokens_p90=10), ""),
        (Flight(tokens=9_999), Usual(runs=9, steps_p90=8), ""),
        (Flight(steps=99), TEXT, ""),
        (Flight(steps=2, seconds=60, left_seconds=50), USUAL, "rate"),
        (Flight(steps=2, seconds=60, left_seconds=60), USUAL, ""),
        (Flight(steps=2, seconds=19, left_seconds=1), USUAL, ""),
        (Flight(steps=2, seconds=60), USUAL, ""),
        (Flight(steps=4, seconds=60, left_seconds=1), USUAL, ""),  # what is usual was done
        (Flight(seconds=60, left_seconds=1), USUAL, ""),
        (Flight(tokens=100, seconds=60, left_seconds=60), TEXT, "rate"),
        (Flight(steps=2, seconds=60, left_seconds=1), FEW, ""),
        (Flight(left_seconds=8.9), LONG, "late"),
        (Flight(left_seconds=9.1), LONG, ""),
        (Flight(left_seconds=8.9), replace(LONG, runs=4), ""),
        (Flight(left_seconds=8.9), replace(LONG, elsewhere_each=None), ""),
        (Flight(), LONG, ""),
        (Flight(tokens=20, seconds=3, left_seconds=8.9), LONG, "late"),
        (Flight(tokens=90, seconds=2, left_seconds=8.9), LONG, ""),  # it would be in time itself
        (Flight(tokens=20, seconds=3, left_seconds=2.1), LONG, ""),  # too late for anybody
        # Of those that are 300 tokens already more than one in 100 will be longer than 352.
        (Flight(tokens=300, seconds=60, left_seconds=12), LONG, "late"),
        (Flight(tokens=300, seconds=60, left_seconds=12), replace(LONG, most=350.0), ""),
        (Flight(steps=3, tokens=999, seconds=60, left_seconds=25), STEPS, "late"),
        (Flight(steps=3, tokens=999, seconds=60, left_seconds=35), STEPS, ""),
    ],
)
def test_each_guard(flight: Flight, usual: Usual, name: str) -> None:
    found = fired(flight, usual)
    assert (found.name if found else "") == name


def test_it_says_its_numbers() -> None:
    found = fired(Flight(steps=9), USUAL)
    assert found is not None
    assert found.because == "9 steps; nine of ten earlier runs needed 8 at most"


def test_what_was_usual() -> None:
    runs = [(count, count < 19) for count in range(1, 21)]
    assert usual_of(runs, range(10, 210, 10)) == Usual(20, 11.0, 19.0, 110.0, 190.0, 1, 0)
    assert usual_of([]) == NOTHING
    assert usual_of([(3, True)]) == Usual(1, 3.0, 3.0)


def test_what_was_kept_by_another_version_is_read() -> None:
    """A run that began before an update goes on after it."""
    assert Usual.of(asdict(USUAL) | {"elsewhere_seconds": None}) == USUAL


def test_each_has_a_name_of_its_own() -> None:
    assert len(set(NAMES)) == len(GUARDS)
    assert all(guard.text for guard in GUARDS)
