"""Dollars as a person writes them."""

from __future__ import annotations

import pytest

from twotier.domain.money import microusd_of


@pytest.mark.parametrize(
    ("text", "microusd"),
    [("5", 5_000_000), (" $2.50 ", 2_500_000), ("0", 0), ("0.0000019", 1), ("1e3", 1_000_000_000)],
)
def test_what_is_meant_is_understood(text: str, microusd: int) -> None:
    assert microusd_of(text) == microusd


@pytest.mark.parametrize("text", ["", "much", "-1", "NaN", "1e10", "Infinity"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write dollars|between 0 and"):
        microusd_of(text)
