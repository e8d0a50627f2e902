"""What an agent did and what it would have done in a trial, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from twotier.jobs.chat_text import shown as harmless
from twotier.jobs.effects import Deed

COLUMN_CHARACTERS = 58
WORDS = {
    "same": "both do the same",
    "differ": "they do other things",
    "unknown": "what the run did is not kept any more",
}


def told_effects(pair: Mapping[str, Any]) -> Iterator[str]:
    """Lines about one piece; none where neither did anything beside its answer."""
    if pair.get("effects"):
        yield f"{pair['title'] or pair['of_run']}: {WORDS.get(pair['effects'], pair['effects'])}"
        rows = [("did", "would do"), *zip_longest(calls(pair, "own"), calls(pair, "other"))]
        yield from (f"  {cut(own):{COLUMN_CHARACTERS}}  {cut(other)}" for own, other in rows)
    for one in pair.get("held", ()):
        yield f"  not looked up, it costs or needs a yes: {cut(call(one))}"


def calls(pair: Mapping[str, Any], side: str) -> Sequence[str]:
    """The calls of one side."""
    kept = side == "other" or pair["effects"] != "unknown"
    return [call(one) for one in pair[f"{side}_effects"]] or ["(nothing)" if kept else "(not kept)"]


def call(one: Mapping[str, Any]) -> str:
    """A call on one line."""
    return harmless(Deed(one["tool"], one["arguments"]).line)


def cut(text: str | None) -> str:
    """As much as a column holds."""
    line = text or ""
    fits = len(line) <= COLUMN_CHARACTERS
    return line if fits else f"{line[: COLUMN_CHARACTERS - 3]}..."
