"""The table: every figure in it, a gap named."""

from __future__ import annotations

from bench.figures import Figure, missing, spread, table


def test_what_could_not_be_measured_says_why() -> None:
    """A figure is never left out in silence."""
    lines = table([Figure("decision", "< 1 ms", "0.03 ms"), missing("install", "no index")])
    assert "| decision | < 1 ms | 0.03 ms " in lines
    assert "not measured: no index" in lines


def test_a_round_that_was_disturbed_does_not_move_the_figure() -> None:
    """The median is told, and the disturbance with it."""
    assert spread([10.0, 11.0, 500.0]) == "11 (10 to 500)"
