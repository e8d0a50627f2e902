"""Tables that fit a terminal, whatever is in them."""

from __future__ import annotations

import pytest

from twotier.cli.table import columns

WIDE = "a reason that is long enough to be broken between its words and then once more"


def test_what_fits_is_one_line_a_row() -> None:
    rows = [("A", "LONG"), ("bb", "c")]
    assert columns(rows) == columns(rows, 80) == ["A   LONG", "bb  c"]
    assert columns([]) == []
    assert columns([("x", WIDE)]) == [f"x  {WIDE}"]


def test_prose_is_broken_under_its_own_column() -> None:
    """And the names beside it stay whole."""
    lines = columns([("name", WIDE, "end"), ("other", "short", "end")], 40)
    assert max(map(len, lines)) <= 40
    assert lines[0].startswith("name   a reason")
    assert lines[1].startswith("       ")
    assert lines[0].endswith("end")
    assert " ".join(" ".join(lines[:-1]).replace("name", "").replace("end", "").split()) == WIDE
    assert lines[-1].split() == ["other", "short", "end"]


def test_of_two_proses_both_give_way() -> None:
    lines = columns([(WIDE, WIDE)], 60)
    assert max(map(len, lines)) <= 60
    assert len(lines) == 3


def test_where_that_is_not_enough_the_last_column_goes_below() -> None:
    """Words are never broken: a name longer than the terminal stays whole."""
    name = "n" * 30
    lines = columns([(name, "2026-12-01", "x" * 30, WIDE), (name, "2026-12-01", "x", "")], 70)
    assert lines[0].split() == [name, "2026-12-01"]
    assert lines[1].startswith(f"    {'x' * 30}  a reason")
    assert lines[-1] == "    x"
    assert max(map(len, lines)) <= 70
    assert columns([("y" * 90,)], 80) == ["y" * 90]


@pytest.mark.parametrize("width", range(10, 120, 7))
def test_nothing_gets_lost_at_any_width(width: int) -> None:
    rows = [("job", "done 2026-12-01 10:15:30", WIDE, "$1.00"), ("j", "", "", "$0.00")]
    said = " ".join(columns(rows, width)).split()
    assert sorted(said) == sorted(" ".join(" ".join(row) for row in rows).split())
