"""The bar for tool work: what a tier must have shown before it gets requests with tools.

Pure. The rows are those of the matrix (`twotier models probe`); the others only warn.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

TOOL_ROWS = ("single", "parallel", "agent")
BAR_PERCENT = 90


class Share(msgspec.Struct, frozen=True):
    """How often a row passed."""

    passed: int
    tries: int

    @property
    def percent(self) -> int:
        """Rounded down: 8 of 9 is not 89 %."""
        return 100 * self.passed // self.tries if self.tries else 0


def below_bar(shares: Mapping[str, Share]) -> str:
    """Why a tier is not for tool work; empty where it is, or where a row was never asked."""
    low = [
        f"{name} {shares[name].percent} %"
        for name in TOOL_ROWS
        if name in shares and shares[name].percent < BAR_PERCENT
    ]
    return f"its probe passed {', '.join(low)} of {BAR_PERCENT} %" if low else ""
