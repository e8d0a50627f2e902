"""What reaches the terminal: one JSON document or aligned text on stdout, talk on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

SCHEMA_VERSION = 1


def emit(document: Mapping[str, Any]) -> None:
    """One JSON document, with the version of its shape."""
    versioned = {"schema_version": SCHEMA_VERSION, **document}
    print(json.dumps(versioned, indent=2, ensure_ascii=False, default=str))


def say(text: str) -> None:
    """A sentence for people; scripts that read stdout never see it."""
    if sys.stderr is not None:  # closed by the caller (`2>&-`): print would take stdout
        print(text, file=sys.stderr, flush=True)


def columns(rows: Iterable[Sequence[object]]) -> list[str]:
    """Rows as aligned lines. Every row has the same number of cells."""
    cells = [[str(cell) for cell in row] for row in rows]
    if not cells:
        return []
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def show(rows: Iterable[Sequence[object]]) -> None:
    """Print rows as aligned lines."""
    for line in columns(rows):
        print(line)


def local_time(iso: str | None) -> str:
    """An instant of the wire as the people here read it: `2026-02-03 08:12:30`; empty for none."""
    if not iso:
        return ""
    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def dollars(amount: object) -> str:
    """An amount of the wire with its sign, cents, and more digits only where they matter."""
    whole, _, part = str(amount or "0").partition(".")
    return f"${whole}.{part.rstrip('0').ljust(2, '0')}"
