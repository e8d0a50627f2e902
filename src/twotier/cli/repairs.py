"""What became of tool calls that were not as they had to be, in a line for each model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

# The words of `protocols.toolcalls.base.Kind`, for people.
HOW = {
    "bent": "bent by the server",
    "thinking": "in the thinking",
    "unwrapped": "without the opening tag",
    "unclosed": "without an end tag",
    "json": "in broken JSON",
    "types": "with a wrong type",
}
NOT = {
    "misfit": "did not fit the tool",
    "cut": "cut by the limit",
    "absent": "announced and never made",
}


def repair_lines(repairs: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A model that needs no repair has no line."""
    for one in repairs:
        kinds = one["kinds"]
        made = counted(
            kinds.get("leaked", 0) + kinds.get("bent", 0), "repaired", parts=some(kinds, HOW)
        )
        lost = counted(sum(kinds.get(kind, 0) for kind in NOT), "lost", parts=some(kinds, NOT))
        told = "; ".join(part for part in (made, lost) if part)
        yield f"tool calls of {one['model']} in {one['days']} days: {told}"


def some(kinds: Mapping[str, int], words: Mapping[str, str]) -> list[str]:
    """Those of the kinds that there were."""
    return [f"{kinds[kind]} {word}" for kind, word in words.items() if kinds.get(kind)]


def counted(count: int, what: str, *, parts: list[str]) -> str:
    """How many, and how they were; empty for none."""
    return f"{count} {what}" + (f" ({', '.join(parts)})" if parts else "") if count else ""
