"""What of a budget is crossed now."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.ledger.toys import NOON, USD
from twotier.domain.alert import Severity
from twotier.domain.money import Budget, BudgetState
from twotier.ledger.crossings import crossings

DAY = Budget("day", "day", "UTC", 15 * USD, 40 * USD)
MIDNIGHT = NOON.replace(hour=0)


def state(spent: int, *, budget: Budget = DAY, reserved: int = 0) -> BudgetState:
    return BudgetState(budget, spent, reserved, MIDNIGHT, MIDNIGHT + timedelta(days=1))


def test_the_alert_is_crossed_at_its_sum_and_the_limit_is_a_thing_of_its_own() -> None:
    """Reserved money counts. A key names the day, so that tomorrow is another incident."""
    assert crossings([state(14 * USD)], now=NOON) == []
    (alert,) = crossings([state(14 * USD, reserved=USD)], now=NOON)
    assert alert.key == "budget:/day:alert:2026-03-10T00:00:00+00:00"
    assert (alert.about, alert.kind, alert.severity) == ("budget day", "threshold", "warning")
    assert "$15.00 spent and reserved this day, past the alert of $15.00" in alert.text
    both = crossings([state(40 * USD)], now=NOON)
    assert [one.kind for one in both] == ["threshold", "limit"]


@pytest.mark.parametrize(
    ("at_limit", "severity", "acts"),
    [
        ("alert", Severity.WARNING, "nothing stops"),
        ("local-only", Severity.URGENT, "only what is free goes on"),
        ("stop", Severity.URGENT, "all work is refused"),
    ],
)
def test_a_limit_says_what_happens_then(at_limit: str, severity: Severity, acts: str) -> None:
    budget = replace(DAY, alert_microusd=None, at_limit=at_limit, client="phone")
    (found,) = crossings([state(41 * USD, budget=budget)], now=NOON)
    assert (found.about, found.severity) == ("key phone", severity)
    assert found.text.endswith(acts)


def test_a_period_that_is_over_and_a_budget_without_sums_cross_nothing() -> None:
    over = NOON + timedelta(days=1)
    none = replace(DAY, alert_microusd=None, limit_microusd=None)
    assert crossings([state(50 * USD)], now=over) == []
    assert crossings([state(50 * USD, budget=none)], now=NOON) == []
