"""A tier that lost a job is tried again: seldom, at night, and less with each failure."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from tests.router.judged import PRESENT, judged
from twotier.router.recheck import DOUBLINGS_MAX, Hours, due, failures_in_a_row
from twotier.router.weighing import record_of

NIGHT = Hours(time(22), time(6), "UTC")
NOW = datetime.fromtimestamp(PRESENT.now_ms / 1000, UTC)  # midnight


def tried(
    words: str, *, days: float, runs: int, hour: int = 0, hours: Hours | None = NIGHT
) -> bool:
    """Whether it is due so many days and runs after the last verdict."""
    past = judged(words, days_ago=days)
    now = NOW.replace(hour=hour)
    return due(past, record_of(past, PRESENT), runs_since=runs, now=now, hours=hours)


@pytest.mark.parametrize(
    ("words", "days", "runs", "expected"),
    [
        ("--", 1.1, 10, True),
        ("--", 0.9, 10, False),  # a day at least
        ("--", 1.1, 9, False),  # and ten runs
        ("---", 1.1, 10, False),  # it failed again: twice as long
        ("---", 2.1, 20, True),
        ("-" * 30, 2**DOUBLINGS_MAX + 1, 400, True),  # however often
        ("--+", 0.1, 1, True),  # a good one: go on
        ("--+", 0.1, 0, False),  # nothing has run elsewhere
        ("+" * 18 + "--", 1.1, 3, True),  # it had done well before: sooner
        ("??", 9.0, 99, False),  # nobody verifies its work
        ("", 9.0, 99, False),
    ],
)
def test_pauses_double(words: str, days: float, runs: int, expected: bool) -> None:
    """Both in days and in runs of the job, so that neither a busy job nor a rare one is spoiled."""
    assert tried(words, days=days, runs=runs) is expected


def test_hours_are_kept_unless_it_has_waited_long() -> None:
    """A job that never runs at night is not lost for ever."""
    assert not tried("--", days=1.1, runs=10, hour=12)
    assert tried("--", days=1.1, runs=10, hour=12, hours=None)
    assert tried("--", days=3.1, runs=10, hour=12)
    assert not tried("--+", days=0.1, runs=3, hour=12)
    assert tried("--+", days=3.1, runs=3, hour=12)


def test_hours_may_span_midnight() -> None:
    """Or not."""
    day = Hours(time(9), time(17), "UTC")
    assert NIGHT.holds(NOW)
    assert NIGHT.holds(NOW.replace(hour=23))
    assert not NIGHT.holds(NOW.replace(hour=6))
    assert day.holds(NOW.replace(hour=9))
    assert not day.holds(NOW.replace(hour=18))


def test_failures_in_a_row() -> None:
    """From the newest back to the last good one."""
    assert failures_in_a_row(judged("-+--")) == 2
    assert failures_in_a_row(judged("--")) == 2
    assert failures_in_a_row(judged("+")) == 0
