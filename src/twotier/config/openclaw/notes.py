"""What an import has to tell: one sentence about one thing of OpenClaw's. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["warning", "changed", "dropped"]
KINDS: tuple[Kind, ...] = ("warning", "changed", "dropped")


@dataclass(frozen=True, slots=True)
class Note:
    """`where` names the setting or job. `warning`: costs money or surprises; `changed`: is said
    otherwise with us; `dropped`: was not taken.
    """

    kind: Kind
    where: str
    text: str


def grouped(notes: Iterable[Note], kind: Kind) -> dict[str, list[str]]:
    """Those of one kind: each sentence once, with all that it is about."""
    found: dict[str, list[str]] = {}
    for note in dict.fromkeys(notes):
        if note.kind == kind:
            found.setdefault(note.text, []).append(note.where)
    return found


def table(value: Any) -> dict[str, Any]:
    """A table, empty where something else stands: both shapes leave things out."""
    return value if isinstance(value, dict) else {}


def rows(value: Any) -> list[Any]:
    """A list, empty where something else stands."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """A text without the white space around it, empty where something else stands."""
    return value.strip() if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    """A finite number, None where something else stands. JavaScript's numbers as text count."""
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value) if len(value) < 19 else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e18 else None
