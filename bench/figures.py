"""One line of the table: what was measured, what the aim is, what was seen. Nothing is asserted."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`aim` is empty where a figure only informs; `seen` says its unit."""

    name: str
    aim: str
    seen: str


def missing(name: str, because: str) -> Figure:
    """A figure that could not be measured here says so: a table with a gap is no table."""
    return Figure(name, "", f"not measured: {because}")


def median(values: Iterable[float]) -> float:
    """The middle of several rounds: one that was disturbed by the neighbours does not count."""
    return statistics.median(values)


def spread(values: Sequence[float], form: str = ".0f") -> str:
    """The median, and the least and the most in brackets."""
    return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def table(figures: Sequence[Figure]) -> str:
    """Three columns, as Markdown."""
    rows = [("figure", "aim", "seen"), *((one.name, one.aim, one.seen) for one in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "| " + " | ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    ruler = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([lines[0], ruler, *lines[1:]])
