"""Texts against readers whose time may grow faster than their input.

For any reader: one thing again and again. For a pattern: everything that it begins to look for and
does not find, made of its own parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# Python has no other door to the parts of a pattern; it is the same in 3.11 to 3.14.
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from twotier.protocols.toolcalls.families import OPENERS

REPEATED = (
    *(" ", "\n", "\t \n", "\r\n", "a", "1", "0.", "1,", "-", "_", "a.", "a-", "A", "é", "e\u0301"),
    *("\u200b", "\U0001f642", "\ud7ff", "\x00", "\x1b[", "\u202e", "%41", "\\", "\\u0041", "\\n"),
    *("[", "{", "(", "<", "`", "```\n", "``` ", "'", '"', '"""', "#", "# ", "*", "**a", "- ", "> "),
    *("![](", "![", "](", "[a](", "[a]", "[[", "<a", "<a ", "<img ", "</", "<!--", "<p>", "&amp;"),
    *("&", "&#", "@", "a@", "a@b.", "//", "/*", "://", "http://", "https://a.b/", "a/", "..", "./"),
    *(
        '{"a":',
        '{"a":[',
        "[{",
        '["",',
        "{'a':",
        "data:",
        "data: \n",
        ": \n\n",
        "data: {}\n\n",
        "=?",
    ),
    *(
        "=?utf-8?q?",
        "=?utf-8?b?YQ==?=",
        "a:b;",
        "a=1&",
        "a=",
        "token",
        "token=",
        "sk-",
        "1+1",
        "1+",
    ),
    *("1+1=2 ", "-1", "=1", "x1", "1 x ", "\\boxed{", "\\frac{", "answer ", "Yes", "yes\n", "a b "),
    *(
        "the same words ",
        "a\n",
        "- a\n",
        "1. a\n",
        "| a ",
        "QUJD",
        "QUJD\n",
        "AAAA",
        "#1 ",
        "AB-1 ",
    ),
    *(
        "<think>",
        "</think>",
        "<|",
        "|>",
        "<\uff5c",
        "a: b\n",
        "a => ",
        "::",
        "$",
        "$ref",
        "null,",
        "1e9,",
    ),
    *sorted(OPENERS),
)
ENDS = ("", "\x00", "]", ")", ">", '"', "=")
PARTS_MAX, BEGINS_MAX, PART_CHARACTERS_MAX = 40, 3, 60
REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
GROUPS = {op.SUBPATTERN: 3, op.ATOMIC_GROUP: None, op.ASSERT: 1, op.ASSERT_NOT: 1}
TRIED = (*map(ord, 'a1 -.<_["\n/:('), *range(33, 127), 0xE9, 0x200B, 0)
KINDS = {
    op.CATEGORY_DIGIT: r"\d",
    op.CATEGORY_NOT_DIGIT: r"\D",
    op.CATEGORY_SPACE: r"\s",
    op.CATEGORY_NOT_SPACE: r"\S",
    op.CATEGORY_WORD: r"\w",
    op.CATEGORY_NOT_WORD: r"\W",
}
Parts = Sequence[tuple[Any, Any]]


def one_of(items: Parts) -> str:
    """A character of a set."""
    negated = items[0][0] is op.NEGATE
    own = [value if code is op.LITERAL else value[0] for code, value in items if code in
           (op.LITERAL, op.RANGE)]  # fmt: skip
    return next(chr(one) for one in (*TRIED, *own) if holds(items, one) is not negated)


def holds(items: Parts, one: int) -> bool:
    """Whether a set names a character, its `not` left aside."""
    return any(
        (code is op.LITERAL and value == one)
        or (code is op.RANGE and value[0] <= one <= value[1])
        or (code is op.CATEGORY and re.match(KINDS[value], chr(one)) is not None)
        for code, value in items
    )


def sample(parts: Parts, often: int) -> str:
    """A text that fits; what may be left out stands there so often."""
    return "".join(piece(code, value, often) for code, value in parts)


def piece(code: Any, value: Any, often: int) -> str:
    """The text of one part."""
    if code is op.LITERAL:
        return chr(value)
    if code in (op.ANY, op.NOT_LITERAL):
        return "b" if value == ord("a") else "a"
    if code is op.IN:
        return one_of(value)
    if code in REPEATS:
        least, most, inner = value
        return sample(inner, often) * int(max(least, often if most else 0))
    if code is op.BRANCH:
        return sample(value[1][0], often)
    if code is op.SUBPATTERN:
        return sample(value[3], often)
    return sample(value, often) if code is op.ATOMIC_GROUP else ""


def rows(parts: Parts) -> Iterator[Parts]:
    """Every row of parts in a pattern, on every level."""
    yield list(parts)
    for code, value in parts:
        if code is op.BRANCH:
            inner = value[1]
        elif code in REPEATS:
            inner = [value[2]]
        elif code in GROUPS:
            inner = [value if GROUPS[code] is None else value[GROUPS[code]]]
        else:
            continue
        for one in inner:
            yield from rows(one)


def against(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str]]:
    """Beginnings, and what is repeated behind them."""
    source = pattern.pattern
    text = source.decode("latin-1") if isinstance(source, bytes) else source
    repeated, begins = {*" \na1.-_/<[({`\"'\\", "a.", "1,", "<a "}, {""}
    for row in rows(parser.parse(text, pattern.flags & ~re.DEBUG)):
        for at in range(len(row)):
            for often in (0, 1):
                begins.add(sample(row[:at], often))
                repeated |= {sample(row[at:end], often) for end in range(at + 1, at + 8)}
    fit = [one for one in repeated if one and len(one) <= PART_CHARACTERS_MAX]
    for begin in sorted(begins, key=lambda one: (len(one), one))[:BEGINS_MAX]:
        for part in sorted(fit, key=lambda one: (len(one), one))[:PARTS_MAX]:
            yield begin, part


def filled(begin: str, part: str, *, size: int) -> str:
    """A text of about this many characters, whose end fits nothing."""
    return begin + part * (size // len(part)) + "\x00"
