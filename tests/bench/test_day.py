"""The day of the README: what it says is what comes out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.day import day, parts, table

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
def test_a_quiet_day_costs_what_the_readme_says(tmp_path: Path) -> None:
    """Its five ways, to the cent; the other days are made in the same way."""
    made = asyncio.run(day("quiet", tmp_path))
    told = README.read_text(encoding="utf-8")
    for line in table({"quiet": made}):
        if line.startswith(("| A", "| B", "| C", "| D", "| P")):
            assert line.removesuffix("|") in told
    assert f"- quiet day: {parts(made[0])}" in told
