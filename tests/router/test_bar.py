"""The bar for tool work: 90 % in three rows of the matrix."""

from __future__ import annotations

import pytest

from twotier.router.bar import Share, below_bar

GOOD = Share(9, 10)


@pytest.mark.parametrize(
    ("shares", "why"),
    [
        ({}, ""),
        ({"single": GOOD, "parallel": GOOD, "agent": GOOD}, ""),
        ({"single": GOOD, "json": Share(0, 10)}, ""),
        ({"single": Share(8, 9)}, "its probe passed single 88 % of 90 %"),
        (
            {"single": GOOD, "parallel": Share(0, 3), "agent": Share(0, 0)},
            "its probe passed parallel 0 %, agent 0 % of 90 %",
        ),
    ],
)
def test_three_rows_decide_about_tool_work(shares: dict[str, Share], why: str) -> None:
    """The others only warn, and a row that was never asked says nothing."""
    assert below_bar(shares) == why
