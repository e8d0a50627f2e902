"""The table of faults in `docs/reliability.md` names tests that are there, and leaves none out."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
ELSEWHERE = {"F12", "F13", "F22", "F26"}  # figures, the simulator, and a number without a row


def section(name: str) -> str:
    """What stands under a heading."""
    return PAGE.partition(f"## {name}\n")[2].partition("\n## ")[0]


def test_every_row_is_in_the_table_and_has_its_tests() -> None:
    """F01 to F26."""
    rows = re.findall(r"^\| (F\d\d|[a-z]+) \|", section("The fault rows"), re.MULTILINE)
    named = re.findall(r"^- (F\d\d|[a-z]+): `tests/", section("The fault rows"), re.MULTILINE)
    assert [one for one in rows if one != "row"] == named
    wanted = {f"F{number:02d}" for number in range(1, 27)} - ELSEWHERE
    assert wanted <= set(named), wanted - set(named)
    assert all(one in section("The fault rows") for one in ELSEWHERE)


def test_every_test_that_is_named_is_there() -> None:
    """File and function."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", section("The fault rows"))
    assert len(named) > 40, named
    for file, function in named:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {function}\(", text, re.MULTILINE), (file, function)


def test_every_fault_test_holds_a_row() -> None:
    """A file of `tests/faults` that no row names would be run and never be read about."""
    files = {path.name for path in (ROOT / "tests" / "faults").glob("test_*.py")}
    assert {name for name in files if f"tests/faults/{name}" not in PAGE} == {"test_harness.py"}
