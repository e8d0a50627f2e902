"""The floors of `make test`."""

from __future__ import annotations

from typing import Any

from tools.coverage_floor import complaints


def report(path: str, *, percent: float = 95.0, **missing: list[Any]) -> dict[str, Any]:
    """Coverage's JSON, as far as it is read."""
    entry = {"missing_lines": [], "missing_branches": [], **missing}
    return {"files": {path: entry}, "totals": {"percent_covered": percent}}


def test_a_pure_part_needs_every_branch() -> None:
    """One branch nobody took is a complaint that names it."""
    found = complaints(report("src/twotier/router/tree.py", missing_branches=[[12, 14]]))
    assert len(found) == 1
    assert "router/tree.py" in found[0]
    assert "[12, 14]" in found[0]


def test_other_parts_count_in_the_sum_only() -> None:
    """A line of a part that does I/O may be missed while the whole is above its floor."""
    path = "src/twotier/gateway/app.py"
    assert complaints(report(path, missing_lines=[3])) == []
    assert "89.9 %" in complaints(report(path, percent=89.9, missing_lines=[3]))[0]
