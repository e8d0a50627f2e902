"""The routing rules as data: what a word says about a request, and where each kind goes.

The tree is the one of "Two-Tier AI" (2026-02-14): polling stays local, bulk writing and frontier
reasoning go to the frontier, reading and reporting stays local, and what nobody can tell goes to
the frontier, because quality matters more than cost. Each row can be switched off by its name.

The word lists are a weak signal and are treated as one: they are asked last, only the first lines
of the user's own text count, and "unknown" is an answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# "Writes more than 500 lines" at about 12 tokens a line.
BULK_OUTPUT_TOKENS = 6_000


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the tree: work of this `kind` goes to this `side`; `text` says why."""

    name: str
    kind: str  # a kind of `Task`, or `*`
    side: str  # local or frontier
    text: str


TREE: tuple[Rule, ...] = (
    Rule("polling", "polling", "local", "polling and monitoring costs nothing locally"),
    Rule("bulk-write", "bulk-write", "frontier", "writes more than 500 lines"),
    Rule("frontier-reasoning", "frontier-reasoning", "frontier", "needs frontier reasoning"),
    Rule("read-report", "read-report", "local", "reads more than it writes"),
    Rule("default", "*", "frontier", "nothing decided; quality matters more than cost"),
)

KINDS = frozenset(rule.kind for rule in TREE if rule.kind != "*")

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
