"""The table in `docs/reliability.md`: written whole, or some of its rows anew."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bench.figures import Figure, others, short
from bench.service import ROOT

PAGE = ROOT / "docs" / "reliability.md"
BLOCK = re.compile(r"(?<=<!-- begin figures -->\n).*?(?=<!-- end figures -->)", re.DOTALL)
HEAD = ("figure", "aim", "twotier")
Rows = list[dict[str, str]]


def rows(seen: Sequence[Figure]) -> Rows:
    """Aim, twotier, everybody else, and in brackets how many times theirs ours is; by column."""
    names = others(seen)
    made = []
    for one in seen:
        row = dict.fromkeys((*HEAD, *names), "")
        row |= {"figure": one.name, "aim": one.aim, "twotier": one.seen}
        for name, other in one.beside.items():
            ratio = short(other.ratio)
            row[name] = f"{other.seen} ({ratio} x)" if ratio else other.seen
        made.append(row)
    return made


def table(made: Rows) -> str:
    """As Markdown, not padded: cells are long. A column for everybody who is in a row."""
    columns = list(dict.fromkeys(name for row in made for name in row))
    cells = [[row.get(name, "") for name in columns] for row in made]
    every = (columns, ["---"] * len(columns), *cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in every)


def read(text: str) -> tuple[Rows, list[str]]:
    """The rows of a table, and the lines below it."""
    told = [line for line in text.splitlines() if line.strip()]
    grid = [line_cells(line) for line in told if line.startswith("|")]
    if not grid:
        return [], []
    head, _, *rest = grid
    below = [line for line in told if not line.startswith("|")]
    return [dict(zip(head, cells, strict=True)) for cells in rest], below


def line_cells(line: str) -> list[str]:
    """Of one row."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def merged(old: Rows, new: Rows) -> Rows:
    """The old rows, each with its new one in its place where there is one; then what is new."""
    again = {row["figure"]: row for row in new}
    kept = [again.pop(row["figure"], row) for row in old]
    return [*kept, *again.values()]


def write(seen: Sequence[Figure], told: str, *, whole: bool) -> None:
    """Into the page. `told` is how it was measured; those of rows that stay are kept."""
    page = PAGE.read_text(encoding="utf-8")
    old, below = ([], []) if whole else read(BLOCK.findall(page)[0])
    text = "\n\n".join([table(merged(old, rows(seen))), *below, told]) + "\n"
    PAGE.write_text(BLOCK.sub(lambda _: text, page), encoding="utf-8")
