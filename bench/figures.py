"""One line of the table: what was measured, what the aim is, what was seen. Nothing is asserted."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Other:
    """What was seen of somebody else in the same rounds. `ratio` is twotier's to theirs."""

    ratio: float | None
    seen: str


@dataclass(frozen=True, slots=True)
class Figure:
    """`aim` is empty where a figure only informs; `seen` says its unit. `beside` has the others."""

    name: str
    aim: str
    seen: str
    beside: Mapping[str, Other] = field(default_factory=dict)


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
    """As Markdown: aim, twotier, and its ratio to each other."""
    names = [
        name
        for name in others(figures)
        if any(name in one.beside and one.beside[name].ratio is not None for one in figures)
    ]
    rows = [("figure", "aim", "twotier", *(f"/ {name}" for name in names))]
    for one in figures:
        ratios = (one.beside[name].ratio if name in one.beside else None for name in names)
        rows.append((one.name, one.aim, one.seen, *map(short, ratios)))
    return lines(rows)


def absolute(figures: Sequence[Figure]) -> str:
    """As Markdown: the same rounds, what was seen of everybody."""
    compared = [one for one in figures if one.beside]
    names = others(compared)
    rows = [("figure", "twotier", *names)]
    for one in compared:
        seen = (one.beside[name].seen if name in one.beside else "" for name in names)
        rows.append((one.name, one.seen, *seen))
    return lines(rows)


def others(figures: Iterable[Figure]) -> list[str]:
    """Everybody that is named beside a figure, in the order of their first."""
    return list(dict.fromkeys(name for one in figures for name in one.beside))


def short(ratio: float | None) -> str:
    """Two digits that count."""
    if ratio is None:
        return ""
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"


def lines(rows: Sequence[Sequence[str]]) -> str:
    """A table: the first row is its head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(cells: Iterable[str]) -> str:
        padded = (f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True))
        return "| " + " | ".join(padded) + " |"

    ruler = line("-" * width for width in widths)
    return "\n".join([line(rows[0]), ruler, *map(line, rows[1:])])
