"""What a word says about the kind of work.

The word lists are a weak signal and are treated as one: they are asked last, only the first lines
of the user's own text count, and "unknown" is an answer.
"""

from __future__ import annotations

import re

# "Writes more than 500 lines" at about 12 tokens a line.
BULK_OUTPUT_TOKENS = 6_000

KINDS = frozenset({"polling", "bulk-write", "frontier-reasoning", "read-report"})

# A pattern is tried at each word of a text, which takes a hundred times as long as a look for the
# pieces without which it cannot match: one of these, in small letters.
PIECES = {
    "polling": ("new", "monitor", "heartbeat"),
    "bulk-write": ("refactor", "write", "draft", "compose", "in full", "entire", "implement"),
    "frontier-reasoning": (
        "prove", "proof", "architect", "design", "root cause", "trade", "strategy", "research",
        "debug", "step by step", "market brief", "plan",
    ),
    "read-report": (
        "summar", "extract", "list", "classify", "count", "translate", "tl", "what does",
        "describe", "find", "read",
    ),
}  # fmt: skip
WORDS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (
            "polling",
            (
                r"\b(?:any(?:thing)? new|(?:check|look|watch|scan|poll) (?:\w+ ){0,4}?"
                r"for (?:any )?new"
                r"|new (?:comments?|mails?|messages?|mentions?|issues?)|monitor|heartbeat)\b"
            ),
        ),
        (
            "bulk-write",
            (
                r"\b(?:refactor|rewrite (?:the|all|every|this) (?:\w+ )?"
                r"(?:code|module|file|project)"
                r"|(?:write|draft|compose) (?:\w+ ){0,4}?(?:post|article|essay|report|chapter|book)"
                r"|in full|entire (?:file|codebase)|implement)\b"
            ),
        ),
        (
            "frontier-reasoning",
            (
                r"\b(?:prove|proof|architect(?:ure)?|design (?:a|an|the)|root cause|trade-?offs?"
                r"|strategy|research|debug|step by step|market brief|plan (?:a|an|the|how))\b"
            ),
        ),
        (
            "read-report",
            (
                r"\b(?:summari[sz]e|summary|extract|list (?:the|all|every)|classify|count|translate"
                r"|tl;?dr|what does|describe|find (?:the|all|every)|read)\b"
            ),
        ),
    )
)


def spoken(text: str) -> tuple[str, str] | None:
    """The first kind whose words are in the text, and the words in small letters; None: none."""
    small = text.casefold()
    for kind, pattern in WORDS:
        if _has_one(PIECES[kind], small) and (found := pattern.search(text)):
            return kind, found.group(0).lower()
    return None


def _has_one(pieces: tuple[str, ...], text: str) -> bool:
    for piece in pieces:  # noqa: SIM110 - a generator costs more than all the looks
        if piece in text:
            return True
    return False
