"""Periods follow the wall clock of their zone; a refusal names the cap, the sum and the reset."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ledger.toys import NOON, USD
from twotier.domain.money import Budget, BudgetState
from twotier.errors import ConfigError
from twotier.ledger.budget import judge, period

BERLIN = "Europe/Berlin"
LA = "America/Los_Angeles"
ZONES = [BERLIN, LA, "UTC", "Asia/Kolkata", "America/Santiago", "Africa/Cairo", "Asia/Kathmandu"]


def hours(budget: Budget, now: datetime) -> float:
    start, end = period(budget, now)
    assert start <= now < end
    return (end - start) / timedelta(hours=1)


@pytest.mark.parametrize(
    ("zone", "local_day", "expected_hours"),
    [
        (BERLIN, (2026, 3, 28), 24),
        (BERLIN, (2026, 3, 29), 23),
        (BERLIN, (2026, 10, 25), 25),
        (LA, (2026, 3, 8), 23),
        (LA, (2026, 11, 1), 25),
        (LA, (2026, 11, 2), 24),
        ("America/Santiago", (2026, 9, 6), 23),  # the clocks skip midnight itself
        ("Africa/Cairo", (2026, 10, 29), 25),  # midnight comes back as 23:00 of the day before
    ],
)
def test_days_on_which_clocks_change_have_their_real_length(
    zone: str, local_day: tuple[int, int, int], expected_hours: int
) -> None:
    noon = datetime(*local_day, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    assert hours(Budget("b", "day", zone), noon) == expected_hours


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    """2026-03-10 is a Tuesday; the week of the change in Berlin has an hour less."""
    monday = datetime(2026, 3, 9, tzinfo=UTC)
    assert period(Budget("b", "week", "UTC"), NOON) == (monday, monday + timedelta(days=7))
    march = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
    assert period(Budget("b", "month", "UTC"), NOON) == march
    assert hours(Budget("b", "week", BERLIN), datetime(2026, 3, 29, 12, tzinfo=UTC)) == 7 * 24 - 1
    december = period(Budget("b", "month", LA), datetime(2027, 1, 1, 7, 59, tzinfo=UTC))
    assert december[1] == datetime(2027, 1, 1, 8, tzinfo=UTC)


@given(
    st.integers(0, 10 * 365 * 24 * 3600),
    st.sampled_from(ZONES),
    st.sampled_from(["day", "week", "month"]),
)
def test_every_moment_lies_in_its_period_and_periods_join(
    second: int, zone: str, name: str
) -> None:
    now = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    budget = Budget("b", name, zone)
    start, end = period(budget, now)
    assert start <= now < end
    assert period(budget, start) == (start, end)
    assert period(budget, end)[0] == end


@pytest.mark.parametrize(
    ("budget", "says"),
    [
        (Budget("b", "year", "UTC"), "day, week or month"),
        (Budget("b", "day", "Mars/Olympus"), "IANA"),
        (Budget("b", "day", "../etc/passwd"), "IANA"),
        (Budget("b", "day", ""), "IANA"),
    ],
)
def test_an_unknown_zone_or_period_is_named(budget: Budget, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        period(budget, NOON)


def state(
    spent: int, reserved: int = 0, *, limit: int | None = 10 * USD, at_limit: str = "stop"
) -> BudgetState:
    budget = Budget("daily", "day", LA, 5 * USD, limit, at_limit)
    start, end = period(budget, NOON)
    return BudgetState(budget, spent, reserved, start, end)


def test_up_to_the_limit_is_allowed_and_a_microdollar_more_is_not() -> None:
    assert judge([state(6 * USD, 3 * USD)], 1 * USD).allowed
    assert not judge([state(6 * USD, 3 * USD)], 1 * USD + 1).allowed


def test_a_refusal_names_the_cap_what_is_spent_and_the_reset() -> None:
    verdict = judge([state(6 * USD, 3 * USD, at_limit="local-only")], 2 * USD)
    assert not verdict.allowed
    assert verdict.facts == {
        "name": "daily",
        "period": "day",
        "limit_usd": "10.000000",
        "spent_usd": "6.000000",
        "reserved_usd": "3.000000",
        "resets_at": "2026-03-11T07:00:00+00:00",
    }
    for part in (
        "budget daily",
        "$10.00 per day",
        "$6.00 spent",
        "$3.00 reserved",
        "$2.00 more",
        "resets at 2026-03-11 00:00 America/Los_Angeles",
        "`limit_usd`",
    ):
        assert part in verdict.sentence


def test_a_refusal_of_a_keys_own_budget_names_the_key_and_how_to_raise_it() -> None:
    """A person has several keys, and a `limit_usd` in the file is not where this one stands."""
    budget = Budget("macbook", "week", "UTC", None, 2 * USD, client="macbook", of_key=True)
    verdict = judge([BudgetState(budget, 2 * USD, 0, *period(budget, NOON))], 1)
    for part in (
        "key macbook: the limit of $2.00 per week",
        "resets at 2026-03-16 00:00 UTC",
        "until then use a free tier, or raise `twotier key set macbook --budget-usd`",
    ):
        assert part in verdict.sentence


def test_a_refusal_of_a_jobs_own_budget_names_its_setting() -> None:
    """There is no `limit_usd` in a job."""
    budget = Budget("job brief", "day", "UTC", None, 2 * USD, job="brief", of_job=True)
    verdict = judge([BudgetState(budget, 2 * USD, 0, *period(budget, NOON))], 1)
    assert "or raise `budget_usd` of the job brief." in verdict.sentence


def test_where_everything_stops_no_free_tier_is_offered() -> None:
    """`stop` refuses free work too, so the sentence must not send anybody there."""
    assert "free tier" not in judge([state(10 * USD)], 1).sentence


def test_background_work_stops_first_and_leaves_the_rest_to_a_person() -> None:
    """The last tenth of a limit is for someone at the keyboard."""
    assert judge([state(8 * USD)], 1 * USD, background=True).allowed
    verdict = judge([state(8 * USD)], 1 * USD + 1, background=True)
    assert not verdict.allowed
    assert "$9.00 of it for background work" in verdict.sentence
    assert judge([state(8 * USD)], 2 * USD).allowed


def test_free_work_goes_on_at_local_only_and_ends_at_stop() -> None:
    assert judge([state(10 * USD, at_limit="local-only")], 0).allowed
    assert judge([state(10 * USD - 1, at_limit="stop")], 0).allowed
    verdict = judge([state(10 * USD, at_limit="stop")], 0)
    assert not verdict.allowed
    assert "more was asked for" not in verdict.sentence


def test_alert_never_refuses() -> None:
    verdict = judge([state(10 * USD, at_limit="alert")], 1)
    assert verdict.allowed
    assert verdict.facts == {}


def test_what_is_only_held_is_a_passing_reason_and_what_is_spent_is_not() -> None:
    """Several budgets: it helps to wait only where each of them would let it go in the end."""
    held, spent = state(2 * USD, 8 * USD), state(9 * USD)
    assert judge([held], 1).passing
    assert judge([held], 8 * USD).passing
    assert not judge([held], 8 * USD + 1).passing
    assert not judge([held, spent], 2 * USD).passing
    assert judge([state(2 * USD, 6 * USD)], 2 * USD, background=True).passing
    assert not judge([state(8 * USD)], 2 * USD, background=True).passing
    assert judge([state(2 * USD, 8 * USD, at_limit="stop")], 0).allowed


def test_a_share_of_background_work_may_be_set_and_a_budget_of_its_own_has_none() -> None:
    half = replace(
        state(4 * USD), budget=Budget("d", "day", LA, None, 10 * USD, background_percent=50)
    )
    assert judge([half], 1 * USD, background=True).allowed
    verdict = judge([half], 1 * USD + 1, background=True)
    assert "($5.00 of it for background work)" in verdict.sentence
    jobs = replace(half, budget=Budget("d", "day", LA, None, 5 * USD, work="background"))
    assert judge([jobs], 1 * USD, background=True).allowed
    assert "of it for background" not in judge([jobs], 2 * USD, background=True).sentence


def test_without_a_limit_and_without_budgets_everything_is_allowed() -> None:
    assert judge([state(99 * USD, limit=None)], 99 * USD, background=True).allowed
    assert judge([], 99 * USD, background=True).allowed


def test_the_first_budget_that_refuses_decides() -> None:
    month = replace(state(0), budget=Budget("monthly", "month", "UTC", None, 1, "stop"))
    verdict = judge([state(0), month, state(99 * USD)], 2)
    assert verdict.facts["name"] == "monthly"
