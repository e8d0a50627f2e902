"""Aligned text that fits a terminal. Pure; `output` knows how wide the terminal is.

Prose is broken between words, under its own column. Words are never broken: names, paths and
commands are there to be copied. Where prose alone does not help, the last columns go below.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

GAP = 2
PROSE = 24  # a column wider than this is taken for prose
PROSE_MIN = 20
INDENT = "    "

Cells = Sequence[Sequence[str]]


def columns(rows: Iterable[Sequence[object]], width: int | None = None) -> list[str]:
    """Rows as aligned lines of at most `width` characters, as far as their words allow. Every row
    has the same number of cells.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    if not cells:
        return []
    natural = [max(len(row[place]) for row in cells) for place in range(len(cells[0]))]
    return [line for lines in fitted(cells, natural, width=width) for line in lines]


def fitted(cells: Cells, natural: Sequence[int], *, width: int | None) -> Iterator[list[str]]:
    """The lines of each row."""
    widths = list(natural)
    if width is not None and total(natural) > width:
        least = [narrowest(row[place] for row in cells) for place in range(len(natural))]
        widths = narrowed(natural, least, width=width)
        if total(widths) > width and len(widths) > 1:
            yield from stacked(cells, natural, width=width)
            return
    for row in cells:
        yield side_by_side(row, widths)


def total(widths: Sequence[int]) -> int:
    """Of a line with columns so wide."""
    return sum(widths) + GAP * (len(widths) - 1)


def narrowest(cells: Iterable[str]) -> int:
    """How narrow a column may become: prose as its longest word, the rest not at all."""
    texts = list(cells)
    widest = max(len(text) for text in texts)
    if widest <= PROSE:
        return widest
    return max(PROSE_MIN, *(len(word) for text in texts for word in text.split()))


def narrowed(natural: Sequence[int], least: Sequence[int], *, width: int) -> list[int]:
    """All prose cut to one width, the greatest at which the whole fits, or as narrow as may be."""
    for most in range(max(natural), 0, -1):
        widths = [max(low, min(wide, most)) for wide, low in zip(natural, least, strict=True)]
        if total(widths) <= width:
            return widths
    return list(least)


def stacked(cells: Cells, natural: Sequence[int], *, width: int) -> Iterator[list[str]]:
    """As many columns beside one another as may be, and the rest below, where it says something."""
    least = [narrowest(row[place] for row in cells) for place in range(len(natural))]
    most = max([1, *(count for count in range(1, len(least)) if total(least[:count]) <= width)])
    upper = fitted([row[:most] for row in cells], natural[:most], width=width)
    for row, lines in zip(cells, upper, strict=True):
        below = (" " * GAP).join(cell for cell in row[most:] if cell)
        yield [*lines, *(f"{INDENT}{part}" for part in wrapped(below, width - len(INDENT)))]


def side_by_side(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """One row, with as many lines as its longest cell needs."""
    parts = [
        wrapped(cell, wide) if len(cell) > wide else [cell]
        for cell, wide in zip(row, widths, strict=True)
    ]
    height = max(len(part) for part in parts)
    lines = [[part[line] if line < len(part) else "" for part in parts] for line in range(height)]
    gap = " " * GAP
    return [
        gap.join(cell.ljust(wide) for cell, wide in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def wrapped(text: str, width: int) -> list[str]:
    """Broken between words; no line for nothing."""
    return textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False)
