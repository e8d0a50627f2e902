"""What `status` says of tool calls that had to be repaired: a line for each model that has some."""

from __future__ import annotations

import pytest

from twotier.cli.repairs import HOW, NOT, repair_lines
from twotier.protocols.toolcalls import Kind


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ({"leaked": 2}, "2 repaired"),
        (
            {"leaked": 3, "types": 2, "misfit": 1, "cut": 1},
            "3 repaired (2 with a wrong type); 2 lost (1 did not fit the tool, 1 cut by the limit)",
        ),
        (
            {"leaked": 1, "bent": 2, "types": 2},
            "3 repaired (2 bent by the server, 2 with a wrong type)",
        ),
        ({"absent": 1}, "1 lost (1 announced and never made)"),
    ],
)
def test_a_line_says_how_many_and_how(kinds: dict[str, int], said: str) -> None:
    """What was repaired, then what was lost."""
    row = {"tier": "local", "model": "mlx-local/m", "days": 7, "kinds": kinds}
    assert list(repair_lines([row])) == [f"tool calls of mlx-local/m in 7 days: {said}"]


def test_every_kind_has_its_words() -> None:
    """A new one needs some."""
    assert {*HOW, *NOT, "leaked"} == set(Kind)
