"""What is told of a budget: each threshold by a key of its own, and where the day is going."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ledger.toys import NOON, USD
from twotier.domain.alert import Condition, Severity
from twotier.domain.money import Budget, BudgetState
from twotier.ledger.budget import period
from twotier.ledger.crossings import crossings
from twotier.ledger.forecast import History, forecast, history_since

DAY = Budget("day", "day", "UTC", 15 * USD, 40 * USD)
LONG_AGO = NOON - timedelta(days=30)


def state(
    spent: int, budget: Budget = DAY, *, now: datetime = NOON, refused: int = 0
) -> BudgetState:
    return BudgetState(budget, spent, 0, *period(budget, now), refused)


def hour(moment: datetime) -> int:
    return int(moment.timestamp() // 3600)


def steady(
    usd_per_hour: float, hours: int, *, until: datetime = NOON, since: datetime = LONG_AGO
) -> History:
    """So much in each of the last hours, the one that has begun not counted."""
    last = range(hour(until) - hours, hour(until))
    return History(since, {one: int(usd_per_hour * USD) for one in last})


def told(state_: BudgetState, history: History | None = None) -> list[Condition]:
    seen = None if history is None else {state_.budget: history}
    return crossings([state_], now=NOON, history=seen)


def which(found: list[Condition]) -> list[str]:
    return [one.key.split(":")[2] for one in found]


def test_each_threshold_of_alert_and_limit_is_told_from_the_moment_it_is_reached() -> None:
    assert which(told(state(7_499_999))) == []
    assert which(told(state(7_500_000))) == ["alert-50"]
    assert which(told(state(15 * USD))) == ["alert-50", "alert-80", "alert-100"]
    assert which(told(state(32 * USD)))[-2:] == ["limit-50", "limit-80"]
    assert which(told(state(41 * USD)))[-1] == "limit-100"


def test_the_thresholds_are_the_owners() -> None:
    only = replace(DAY, tell_percents=(100, 60))
    assert which(told(state(9 * USD, only))) == ["alert-60"]
    assert told(state(99 * USD, replace(DAY, tell_percents=()))) == []
    assert told(state(99 * USD, Budget("d", "day", "UTC"))) == []
    assert told(state(0, Budget("d", "day", "UTC", 0, 0))) == []


def test_a_key_names_budget_threshold_and_period_and_nothing_that_changes() -> None:
    """So it is told once: more money in the same period is the same key, tomorrow is another."""
    (one,), (more,) = told(state(8 * USD)), told(state(9 * USD))
    assert one.key == more.key == "budget:/day:alert-50:2026-03-10T00:00:00+00:00"
    later = NOON + timedelta(days=1)
    (tomorrow,) = crossings([state(8 * USD, now=later)], now=later)
    assert tomorrow.key == "budget:/day:alert-50:2026-03-11T00:00:00+00:00"
    assert crossings([state(8 * USD)], now=later) == []  # a period that is over crosses nothing
    own = Budget("mac", "day", "UTC", None, 10 * USD, client="mac", of_key=True)
    (mine,) = told(state(5 * USD, own))
    assert (mine.key[:14], mine.about) == ("budget:mac/mac", "key mac")


def test_the_sentences_say_what_is_reached_what_happens_and_when_it_starts_anew() -> None:
    zone = replace(DAY, zone="America/Los_Angeles")
    (half,) = told(state(8 * USD, zone))
    assert (half.about, half.kind, half.severity) == ("budget day", "threshold", "warning")
    assert half.text == (
        "50 % of the alert of $15.00 per day is reached: $8.00 spent."
        " It starts anew at 2026-03-11 00:00 America/Los_Angeles; `twotier spend` shows on what."
    )


@pytest.mark.parametrize(
    ("at_limit", "severity", "then"),
    [
        ("alert", Severity.WARNING, "nothing stops"),
        ("local-only", Severity.URGENT, "only where it is free"),
        ("stop", Severity.URGENT, "all work stops"),
    ],
)
def test_a_limit_says_what_happens_then(at_limit: str, severity: Severity, then: str) -> None:
    last = told(state(40 * USD, replace(DAY, at_limit=at_limit)))[-1]
    assert (last.kind, last.severity) == ("limit", severity)
    assert then in last.text


def test_a_limit_that_refuses_says_so_even_below_a_hundred_percent() -> None:
    """A worst case no longer fits long before the last cent is spent."""
    last = told(state(39 * USD, refused=3))[-1]
    assert which([last]) == ["limit-refuses"]
    assert (last.kind, last.severity) == ("limit", Severity.URGENT)
    assert "refuses requests: $39.00 spent, $0.00" in last.text


def test_a_forecast_is_told_before_the_amount_is_reached() -> None:
    """A dollar an hour, 12 hours to go: $22 by midnight. It holds on when the amount is reached:
    that is no good news.
    """
    first = told(state(10 * USD), steady(1, 6))[0]
    assert which([first]) == ["alert-forecast"]
    assert first.text == (
        "at this pace $22.00 by midnight; the alert is $15.00, $10.00 spent so far."
    )
    assert which(told(state(15 * USD), steady(1, 6)))[0] == "alert-forecast"
    assert "limit-forecast" in which(told(state(15 * USD), steady(3, 6)))
    week = replace(DAY, period="week")
    assert "by 2026-03-16 00:00 UTC" in told(state(10 * USD, week), steady(1, 48))[0].text


def test_without_earlier_days_the_pace_of_the_last_hours_goes_on() -> None:
    young = steady(1, 5, since=NOON - timedelta(hours=5))
    assert forecast(state(5 * USD), NOON, history=young) == 17 * USD
    half = NOON + timedelta(minutes=30)
    slower = forecast(state(5 * USD), half, history=young)  # nothing in this half hour
    assert slower is not None
    assert 5 * USD < slower < 17 * USD


@pytest.mark.parametrize(
    "history",
    [
        History(None, {}),
        steady(1, 2, since=NOON - timedelta(hours=2)),  # not seen for long enough
        History(LONG_AGO, {hour(NOON) - 1: 9 * USD}),  # one dear request is no pace
        History(LONG_AGO, {}),
    ],
)
def test_not_before_enough_has_been_seen(history: History) -> None:
    assert forecast(state(9 * USD), NOON, history=history) is None


def every_day(by_hour: dict[int, int], days: int = 20) -> dict[int, int]:
    """The same day again and again, up to noon of today."""
    this = hour(NOON)
    return {
        one: by_hour.get(one % 24, 0)
        for one in range(this - days * 24, this)
        if one % 24 in by_hour
    }


def test_an_evening_is_taken_for_an_evening() -> None:
    """Office hours cost a dollar each, every day; at noon five of them are still to come."""
    usual = dict.fromkeys(range(9, 17), USD)
    history = History(LONG_AGO, every_day(usual))
    assert forecast(state(3 * USD), NOON, history=history) == 8 * USD


def test_a_loop_at_an_unusual_hour_is_taken_for_a_loop() -> None:
    """Nothing ever happens in the morning, and today five dollars an hour do."""
    history = History(LONG_AGO, every_day({20: USD}) | {hour(NOON) - n: 5 * USD for n in (1, 2, 3)})
    found = forecast(state(15 * USD), NOON, history=history)
    assert found == (15 + 12 * 5 + 1) * USD


def test_a_quiet_day_never_runs_backwards() -> None:
    """Far less than usual today: what is left may be nothing, and is never less."""
    usual = dict.fromkeys(range(9, 17), 3 * USD)
    hours = every_day(usual) | {hour(NOON) - n: 1 for n in (1, 2, 3)}
    found = forecast(state(3), NOON, history=History(LONG_AGO, hours))
    assert found is not None
    assert found >= 3


@given(
    st.dictionaries(st.integers(0, 400), st.integers(0, 50 * USD), max_size=60),
    st.integers(0, 23 * 3600),
    st.sampled_from(["day", "week", "month"]),
    st.integers(0, 40),
)
def test_a_forecast_is_never_less_than_what_is_spent(
    ago: dict[int, int], second: int, name: str, days: int
) -> None:
    now = datetime(2026, 3, 10, tzinfo=UTC) + timedelta(seconds=second)
    history = History(
        now - timedelta(days=days), {hour(now) - back: cost for back, cost in ago.items()}
    )
    found = forecast(state(7, replace(DAY, period=name), now=now), now, history=history)
    assert found is None or found >= 7
    assert history_since(now) == now - timedelta(days=15)


def test_what_went_past_twotier_counts_for_the_alert_alone() -> None:
    """Thresholds and forecast of the alert; a limit holds only what goes through us."""
    past = replace(state(5 * USD), outside_microusd=10 * USD)
    found = told(past)
    assert which(found) == ["alert-50", "alert-80", "alert-100"]
    assert "$15.00 spent, $10.00 of it not through twotier" in found[-1].text
    going = told(replace(state(USD), outside_microusd=4 * USD), steady(1, 5))
    assert which(going) == ["alert-forecast"]
    assert "not through twotier" in going[0].text
    assert which(told(replace(state(21 * USD), outside_microusd=90 * USD)))[-1] == "limit-50"
