"""What is new counts more, what was verified counts at all, and a change is a new chance."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.router.judged import PRESENT, judged
from twotier.router.weighing import (
    EDITED,
    HALF_DAYS,
    HALF_RUNS,
    OTHER_MODEL,
    OTHER_VERSION,
    REDONE,
    record_of,
    spread,
)


def test_only_what_was_verified_counts() -> None:
    """A good end that nobody looked at is no success; what it took is known all the same."""
    record = record_of(judged("??????????"), PRESENT)
    assert (record.good, record.bad, record.lately, record.runs) == (0, 0, (), 10)
    assert record.output is not None
    assert record.output.p50 == 100


def test_later_runs_and_days_make_it_weigh_less() -> None:
    """By half for each half-life."""
    (old,) = judged("+")
    aged = record_of([old, *judged("-" * int(HALF_RUNS))], PRESENT)
    assert aged.good == pytest.approx(0.5)
    assert record_of(judged("+", days_ago=HALF_DAYS), PRESENT).good == pytest.approx(0.5)
    assert record_of(judged("+", days_ago=-3), PRESENT).good == 1.0  # a clock that was set back


def test_another_model_or_server_ages_the_past_and_clears_the_last_five() -> None:
    """The failures of another model say little of this one."""
    for change, factor in (
        ({"model": "mlx_lm/old"}, OTHER_MODEL),
        ({"version": "0"}, OTHER_VERSION),
    ):
        record = record_of(judged("-", **change), PRESENT)  # type: ignore[arg-type]
        assert record.bad == pytest.approx(factor)
        assert record.lately == ()
    mixed = record_of([*judged("--", model="mlx_lm/old"), *judged("+")], PRESENT)
    assert mixed.lately == (True,)


def test_a_failure_that_another_tier_did_again_counts_half() -> None:
    """And it is told which of the last five those were."""
    record = record_of(judged("+-~"), PRESENT)
    assert record.bad == pytest.approx(record_of(judged("+-?"), PRESENT).bad * 0.5**0.05 + REDONE)
    assert (record.lately, record.redone) == ((True, False, False), (False, False, True))
    assert record.covered
    assert not record_of(judged("*+"), PRESENT).covered  # as it is now
    marked = [replace(one, by="owner") for one in judged("+")]
    assert record_of([*judged("*", days_ago=1.0), *marked], PRESENT).covered  # a word, no change
    assert not record_of([], PRESENT).covered


def test_each_edit_of_the_prompt_halves_what_was_before() -> None:
    """Also one that was made where no run has ended since, and one without a name is none."""
    fresh = replace(PRESENT, prompt="q")
    assert record_of(judged("+"), fresh).good == EDITED
    assert record_of(judged("+"), fresh).lately == ()
    twice = [*judged("+", prompt="a", days_ago=0.0), *judged("?", prompt="b"), *judged("?")]
    twice = [replace(one, at_ms=PRESENT.now_ms) for one in twice]
    assert record_of(twice, PRESENT).good == EDITED**2
    assert record_of(judged("+", prompt=""), PRESENT).good == 1.0
    assert record_of(judged("+"), replace(PRESENT, prompt="")).good == 1.0


def test_the_last_five_are_the_newest_and_in_their_order() -> None:
    """The newest last."""
    record = record_of(judged("+++--?+-+"), PRESENT)
    assert record.lately == (False, False, True, False, True)


def test_what_it_takes_is_told_of_the_same_work() -> None:
    """Three runs of this model and prompt are enough; with fewer, all of them have to do."""
    old = judged("?????", model="mlx_lm/old", tokens=1_000)
    few = record_of([*old, *judged("??", tokens=10)], PRESENT)
    enough = record_of([*old, *judged("???", tokens=10)], PRESENT)
    assert few.output is not None
    assert few.output.p50 == 1_000
    assert enough.output is not None
    assert (enough.output.p90, enough.output.count, enough.output.source) == (10, 3, "record")


def test_a_spread_lies_between_two_values() -> None:
    """And what was not counted is left out, apart from what may be free."""
    found = spread([0, 1, 2, 3, 4])
    assert found is not None
    assert (found.p50, found.count) == (2.5, 4)
    assert found.p90 == pytest.approx(3.7)
    assert spread([0, 0]) is None
    free = spread([0, 0], least=0.0)
    assert free is not None
    assert free.p90 == 0
