"""What `status` says of money: plain figures, and a word in capitals where something was passed."""

from __future__ import annotations

import pytest

from twotier.cli.status import passed


@pytest.mark.parametrize(
    ("spent", "reserved", "said"),
    [
        ("0.00", "0.00", ""),
        ("14.99", "0.00", ""),
        ("14.99", "0.01", " -- ALERT REACHED"),
        ("39.00", "1.00", " -- LIMIT REACHED"),
    ],
)
def test_a_passed_alert_or_limit_is_shouted(spent: str, reserved: str, said: str) -> None:
    """Money held for answers on their way counts, and the limit speaks before the alert."""
    budget = {
        "spent_usd": spent,
        "reserved_usd": reserved,
        "alert_usd": "15.000000",
        "limit_usd": "40.000000",
    }
    assert passed(budget) == said


def test_a_budget_without_alert_and_limit_passes_nothing() -> None:
    """None is not zero."""
    nothing = {"spent_usd": "9", "reserved_usd": "0", "alert_usd": None, "limit_usd": None}
    assert passed(nothing) == ""
