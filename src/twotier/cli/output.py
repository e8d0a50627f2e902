"""What reaches the terminal: one JSON document or aligned text on stdout, talk on stderr."""

from __future__ import annotations

import contextlib
import json
import os
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
    """Rows as aligned lines, as wide as the terminal. Every row has the same number of cells."""
    from twotier.cli.table import columns as fitted

    return fitted(rows, terminal_columns())


def prose(line: str) -> list[str]:
    """A sentence as wide as the terminal, its later lines indented like its first and some more."""
    width = terminal_columns()
    if width is None or len(line) <= width:
        return [line]
    from twotier.cli.table import INDENT, wrapped

    begin = line[: len(line) - len(line.lstrip())]
    first, *more = wrapped(line.strip(), width - len(begin) - len(INDENT))
    return [f"{begin}{first}", *(f"{begin}{INDENT}{part}" for part in more)]


def terminal_columns() -> int | None:
    """How wide the terminal is, or is said to be; None for a file or a pipe: a row is one line."""
    said = os.environ.get("COLUMNS", "")
    if said.isdigit() and int(said) > 0:
        return int(said)
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    with contextlib.suppress(OSError):
        return os.get_terminal_size(sys.stdout.fileno()).columns or None
    return None


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
