"""The table: every figure in it, a gap named."""

from __future__ import annotations

from bench.figures import Figure, Other, absolute, missing, spread, table


def test_what_could_not_be_measured_says_why() -> None:
    """A figure is never left out in silence."""
    lines = table([Figure("decision", "< 1 ms", "0.03 ms"), missing("install", "no index")])
    assert "| decision | < 1 ms | 0.03 ms " in lines
    assert "not measured: no index" in lines


def test_a_round_that_was_disturbed_does_not_move_the_figure() -> None:
    """The median is told, and the disturbance with it."""
    assert spread([10.0, 11.0, 500.0]) == "11 (10 to 500)"


def test_each_other_has_a_column_and_none_is_made_up() -> None:
    """Who was not measured in a figure has an empty cell; who has no ratio has no column."""
    seen = [
        Figure("decision", "< 1 ms", "0.03 ms"),
        Figure("CPU", "<= 150 us", "120 us", {"nginx": Other(6.04, "20 (19)")}),
        Figure("added", "", "0.2 ms", {"smg": Other(0.5, "0.4"), "direct": Other(None, "0.05")}),
    ]
    ratios = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table(seen).splitlines()]
    assert ratios[0] == ["figure", "aim", "twotier", "/ nginx", "/ smg"]
    assert ratios[3:] == [
        ["CPU", "<= 150 us", "120 us", "6", ""],
        ["added", "", "0.2 ms", "", "0.5"],
    ]
    told = absolute(seen)
    assert "decision" not in told
    assert "20 (19)" in told
    assert "direct" in told
