"""Quiet hours, on the wall clock of a place."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from twotier.alerts.quiet import LINES_MAX, Held, QuietHours, digest, held_until
from twotier.domain.alert import Severity

BERLIN = "Europe/Berlin"
NIGHT = QuietHours(time(22), time(7), BERLIN)
LUNCH = QuietHours(time(12), time(13, 30), BERLIN)
WARNING = Severity.WARNING


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}:00+00:00")


@pytest.mark.parametrize(
    ("quiet", "now", "until"),
    [
        (NIGHT, "03-10T20:59", "03-10T20:59"),  # 21:59 in Berlin
        (NIGHT, "03-10T21:00", "03-11T06:00"),  # 22:00: held until 7:00
        (NIGHT, "03-10T23:30", "03-11T06:00"),  # 0:30, the end is today
        (NIGHT, "03-11T06:00", "03-11T06:00"),  # 7:00
        (NIGHT, "03-28T22:00", "03-29T05:00"),  # the night has 23 hours
        (NIGHT, "10-24T21:00", "10-25T06:00"),  # and 25
        (LUNCH, "03-10T11:00", "03-10T12:30"),
        (LUNCH, "03-10T10:59", "03-10T10:59"),
        (LUNCH, "03-10T12:30", "03-10T12:30"),
    ],
)
def test_what_is_not_urgent_waits_for_their_end(quiet: QuietHours, now: str, until: str) -> None:
    assert held_until(quiet, WARNING, now=utc(now)) == utc(until)
    assert held_until(quiet, Severity.URGENT, now=utc(now)) == utc(now)
    assert held_until(None, WARNING, now=utc(now)) == utc(now)


def test_an_end_in_a_repeated_hour_is_never_before_now() -> None:
    """Clocks go back while it is quiet: 2:30 comes twice, and the end is the first of them."""
    quiet = QuietHours(time(2, 15), time(2, 30), BERLIN)
    second = datetime(2026, 10, 25, 1, 20, tzinfo=UTC)  # 2:20 for the second time
    assert held_until(quiet, WARNING, now=second) == second


def held(number: int, severity: Severity = WARNING) -> Held:
    at = datetime(2026, 3, 11, 1, 5, tzinfo=UTC) + timedelta(minutes=number)
    return Held(f"k{number}", f"twotier: job {number} (failing)", "two\nlines", severity, at)


def test_what_was_held_becomes_one_message() -> None:
    """Each with its time there; the key follows from theirs, so a repeat has the same."""
    both = [held(0), held(1, Severity.INFO)]
    found = digest(both, zone=BERLIN)
    assert found.title == "twotier: 2 messages of the quiet hours"
    assert found.text == "02:05 job 0 (failing): two lines\n02:06 job 1 (failing): two lines"
    assert found.severity is WARNING
    assert found.key == digest(both, zone=BERLIN).key != digest(both[:1], zone=BERLIN).key


def test_a_long_night_is_counted_not_told() -> None:
    found = digest([held(number) for number in range(LINES_MAX + 3)], zone="UTC")
    assert len(found.text.splitlines()) == LINES_MAX + 1
    assert found.text.endswith("and 3 more; `twotier status` shows what is open")
