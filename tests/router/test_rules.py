"""The words of a prompt: the quick look finds what the patterns find."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.router.rules import PIECES, WORDS, spoken

SAID = (
    "Anything new", "check my inbox for new", "poll it for any new", "NEW Comments", "monitor",
    "heartbeat", "Refactor", "rewrite the whole module", "Write a long blog post", "draft a report",
    "compose an essay", "in full", "entire codebase", "implement", "Prove", "proof", "architecture",
    "design an", "root cause", "tradeoffs", "trade-off", "strategy", "research", "debug",
    "step by step", "market brief", "plan how", "summarise", "Summary", "extract", "list every",
    "classify", "count", "translate", "TL;DR", "tldr", "what does", "describe", "find all", "read",
    "hello", "news", "plain", "readable", "\u017fummary", "moni\u017ftor",
)  # fmt: skip


def slowly(text: str) -> tuple[str, str] | None:
    """Every pattern at every text."""
    for kind, pattern in WORDS:
        if found := pattern.search(text):
            return kind, found.group(0).lower()
    return None


@pytest.mark.parametrize("text", SAID)
def test_each_way_to_say_it_is_heard(text: str) -> None:
    assert spoken(f"Please, {text}.") == slowly(f"Please, {text}.")


@given(st.lists(st.sampled_from(SAID) | st.text(max_size=8), max_size=8))
def test_a_quick_look_hears_the_same(words: list[str]) -> None:
    text = " ".join(words)
    assert spoken(text) == slowly(text)


def test_there_is_a_piece_for_each_kind() -> None:
    assert set(PIECES) == {kind for kind, _ in WORDS}
