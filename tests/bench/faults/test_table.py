"""The table keeps losses, and the page takes it."""

from __future__ import annotations

import pytest

from bench.faults.client import share
from bench.faults.every import figures
from bench.faults.page import BLOCK, PAGE, merged, read, rows, table
from bench.faults.slow import NEVER, closed
from bench.figures import Figure, Other


def test_everybody_has_a_column_and_the_ratio_is_beside() -> None:
    """Ours first; who was not asked has an empty cell."""
    beside = {"bare": Other(2.0, "1 s"), "other": Other(None, "not run")}
    seen = table(rows([Figure("a", "<= 1 s", "2 s", beside), Figure("b", "", "3", {})]))
    head, _, a, b = ([cell.strip() for cell in line.split("|")[1:-1]] for line in seen.splitlines())
    assert head == ["figure", "aim", "twotier", "bare", "other"]
    assert a == ["a", "<= 1 s", "2 s", "1 s (2 x)", "not run"]
    assert b == ["b", "", "3", "", ""]


def test_some_rows_are_written_anew_and_the_others_stay() -> None:
    """With what stands below them."""
    old = rows([Figure("a", "", "1", {"x": Other(0.5, "2")}), Figure("b", "", "3", {})])
    read_back, below = read(table(old) + "\n\nmeasured then.\n")
    assert (read_back, below) == (old, ["measured then."])
    new = rows([Figure("b", "", "4", {}), Figure("c", "", "5", {"y": Other(None, "6")})])
    told = [(row["figure"], row["twotier"]) for row in merged(read_back, new)]
    assert told == [("a", "1"), ("b", "4"), ("c", "5")]
    assert "| y |" in table(merged(read_back, new)).splitlines()[0]
    assert read("Not measured yet.\n") == ([], [])


def test_the_page_has_one_place_for_it() -> None:
    """Between two comments."""
    assert len(BLOCK.findall(PAGE.read_text(encoding="utf-8"))) == 1


def test_what_stayed_open_is_told() -> None:
    """And how long the others took."""
    assert closed([1.0, 2.5, NEVER]) == "2 of 3, the last after 2.5 s"
    assert closed([NEVER]) == "0 of 1"


def test_a_share_of_few_is_the_most() -> None:
    """The p99 of three is the third."""
    assert share([3.0, 1.0, 2.0], 0.99) == 3.0
    assert share([3.0, 1.0, 2.0], 0.5) == 2.0


def test_a_name_that_is_none_is_refused(tmp_path: object) -> None:
    """Before anything is started."""
    with pytest.raises(KeyError, match="nonesuch"):
        next(figures(tmp_path, ["nonesuch"]))  # type: ignore[arg-type]
