"""What a job delivers that uses no model: what was found, by rule. Pure.

Title, author, time, link and the first words of each item. For a machine that has no model yet, and
for work that needs none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from twotier.domain.job import Item

NO_MODEL = "none"  # what a job's `model` says then
EXCERPT_CHARACTERS = 280
ITEMS_MAX = 50


def digest(items: Sequence[Item]) -> str:
    """Each item in a paragraph; of many the first, and how many more there are."""
    parts = ["\n".join(lines(item)) for item in items[:ITEMS_MAX]]
    if (more := len(items) - ITEMS_MAX) > 0:
        parts.append(f"and {more} more")
    return "\n\n".join(parts)


def by_rule(items: Sequence[Item], *, step: str) -> dict[str, Any]:
    """A part's answer, in the form of one that a model gave and that cost nothing."""
    nobody = {"tier": "", "model": NO_MODEL, "rule": NO_MODEL, "request": ""}
    return {
        "text": digest(items),
        "answer": {**nobody, "tokens": 0, "cost_microusd": 0},
        "step": step,
    }


def lines(item: Item) -> Iterator[str]:
    """One item: what is known of it, then how it begins."""
    yield one_line(item.title) or item.source
    about = ", ".join(part for part in (one_line(item.author), item.at) if part)
    if about:
        yield about
    if item.link:
        yield item.link
    if begins := excerpt(item.text):
        yield begins


def one_line(text: str) -> str:
    """Text without line feeds, so that nothing from outside can look like a line of ours."""
    return " ".join(text.split())


def excerpt(text: str) -> str:
    """The first words, cut between two of them."""
    whole = one_line(text)
    if len(whole) <= EXCERPT_CHARACTERS:
        return whole
    cut = whole[: EXCERPT_CHARACTERS - 3]
    return f"{cut.rpartition(' ')[0] or cut}..."
