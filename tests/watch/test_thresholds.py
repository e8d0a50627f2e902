"""What is worth telling of a price, by plain numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from twotier.watch.thresholds import POINTS_MAX, Known, Rules, decide

START = datetime(2026, 3, 2, 12, tzinfo=UTC)


def told(rules: Rules, *prices: str, minutes: int = 30) -> list[str]:
    """For each price after the first, what was told; empty for nothing."""
    known: Known | None = None
    found = []
    for number, price in enumerate(prices):
        now = START + timedelta(minutes=minutes * number)
        known, news = decide(Decimal(price), rules, known=known, now=now)
        found.append("; ".join(f"{one.because} ({one.before})" for one in news))
    assert found[0] == ""
    return found[1:]


def test_a_line_above_is_told_once_and_again_after_the_way_back() -> None:
    """Hovering at 100 rings once; 99 is 1 % behind it."""
    rules = Rules(above=Decimal(100))
    said = "it has reached 100 (99.9)"
    assert told(rules, "99.9", "100", "99.5", "100.2", "99.1", "101") == [said, "", "", "", ""]
    assert told(rules, "99.9", "100", "99", "99.9", "100") == [said, "", "", said]


def test_a_line_below_is_told_once_and_again_after_the_way_back() -> None:
    """The same, upside down."""
    rules = Rules(below=Decimal(100))
    said = "it has fallen to 100 (100.1)"
    assert told(rules, "100.1", "100", "100.5", "99.8", "100.9") == [said, "", "", ""]
    assert told(rules, "100.1", "99", "101", "100.1", "100") == [said, "", "", said]


def test_what_is_beyond_a_line_at_first_is_the_baseline() -> None:
    """It did not cross anything."""
    rules = Rules(above=Decimal(100), below=Decimal(50))
    assert told(rules, "120", "121") == [""]
    assert told(rules, "40", "39") == [""]
    assert told(rules, "120", "90", "110", "45") == [
        "",
        "it has reached 100 (90)",
        "it has fallen to 50 (110)",
    ]


def test_without_hysteresis_every_crossing_is_told() -> None:
    """Who asks for it gets it; the line itself is beyond."""
    rules = Rules(above=Decimal(100), hysteresis_percent=Decimal(0))
    assert told(rules, "99", "100", "99.99", "100") == [
        "it has reached 100 (99)",
        "",
        "it has reached 100 (99.99)",
    ]


def test_a_move_is_counted_from_the_price_that_was_told() -> None:
    """Small steps add up; a price that stays is quiet."""
    rules = Rules(change_percent=Decimal(5))
    assert told(rules, "100", "102", "104", "105", "105", "107", "99") == [
        "",
        "",
        "it has risen by 5.0 % since it was last told (100)",
        "",
        "",
        "it has fallen by 5.7 % since it was last told (105)",
    ]


def test_in_a_window_a_slow_move_is_no_move() -> None:
    """2 % every half hour is 4 % in an hour; 5 % at once is told, and then counted anew."""
    rules = Rules(change_percent=Decimal(5), window_seconds=3_600.0)
    assert told(rules, "100", "102", "104", "106", "108") == ["", "", "", ""]
    said = "it has risen by 5.0 % within 1 h (100)"
    assert told(rules, "100", "105", "106", "107") == [said, "", ""]


def test_a_long_window_keeps_few_points_and_always_its_oldest() -> None:
    """A poll every minute for a day."""
    rules = Rules(change_percent=Decimal(90), window_seconds=86_400.0)
    known: Known | None = None
    for minute in range(1_500):
        now = START + timedelta(minutes=minute)
        known, _ = decide(Decimal(100), rules, known=known, now=now)
    assert known is not None
    assert len(known.points) <= POINTS_MAX
    assert known.points[0][0] <= START + timedelta(minutes=65)
    assert known.points[-1][0] == START + timedelta(minutes=1_499)


@pytest.mark.parametrize("rules", [Rules(), Rules(change_percent=Decimal(5))])
def test_without_a_window_no_history_is_kept(rules: Rules) -> None:
    """The cursor stays small."""
    known, _ = decide(Decimal(1), rules, known=None, now=START)
    assert decide(Decimal(1), rules, known=known, now=START)[0] == known
    assert known.points == ()
