"""What a family of tool-call text is: how a call begins, and how it is read.

A family says its `openers`, a `head` (from an opener to the end of the tool's name) and a `read`
(the calls that begin at a place in the text). `read` gives what is written there, complete or not
at all: a value whose own end never came is no value, because nobody knows what was missing. The end
tags round it may be missing; that is said, and whoever asks decides.

Every `read` passes over its text a fixed number of times, whatever is written there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

NAME = r"[\w.\-:/]{1,128}"
CALLS_MAX = 64  # of one message; more are no plan but a loop
BLANK = re.compile(r"\s*+")


class Kind(StrEnum):
    """What was repaired, or why it was not."""

    LEAKED = "leaked"  # a call written as text became a call
    BENT = "bent"  # a call that the server itself made did not fit, and was put right
    THINKING = "thinking"  # ... and it stood in the thinking
    UNWRAPPED = "unwrapped"  # the tag that opens it was missing
    UNCLOSED = "unclosed"  # a tag that ends it was missing
    JSON = "json"  # its arguments were not quite JSON
    TYPES = "types"  # an argument had another type than the schema says, of the same meaning
    MISFIT = "misfit"  # it does not fit the tool's schema: not a call
    CUT = "cut"  # the answer ended before the call did: not a call
    ABSENT = "absent"  # the server said that it called a tool, and no call was there


@dataclass(frozen=True, slots=True)
class Habits:
    """What is known of how a tier's model and its server call. `family`: in which it may write a
    call as text, empty for any. `bent`: the server's own calls may be bent, and are checked.
    """

    family: str = ""
    bent: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """One call as the model wrote it. `plain`: values are text whose type only the schema knows.

    `flaws` are what was wrong with its form. `id` is the model's own, empty for none.
    """

    name: str
    arguments: Mapping[str, Any]
    plain: bool = False
    flaws: frozenset[Kind] = frozenset()
    id: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Calls that stand one behind the other, up to `end`. `closed`: no end tag is missing."""

    calls: tuple[Written, ...]
    end: int
    closed: bool
    flaws: frozenset[Kind] = frozenset()


@dataclass(frozen=True, slots=True)
class Family:
    """One way of writing calls. `head` matches at an opener and has a group `name`, which stays
    unset where the name may come later than the head.
    """

    name: str
    openers: tuple[str, ...]
    head: re.Pattern[str]
    read: Callable[[str, int], Found | None]


class Cursor:
    """A place in a text that only moves forward."""

    __slots__ = ("_known", "at", "text")

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at
        self._known: dict[str, int] = {}

    def find(self, literal: str) -> int:
        """Where it stands next, -1 where it does not. Looks at each place once, however often."""
        known = self._known.get(literal, -2)
        if known != -1 and known < self.at:
            known = self._known[literal] = self.text.find(literal, self.at)
        return known

    def blank(self) -> None:
        """Pass over white space."""
        self.match(BLANK)

    def take(self, literal: str) -> bool:
        """Pass over the literal, if it stands here."""
        there = self.text.startswith(literal, self.at)
        self.at += len(literal) * there
        return there

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Pass over what matches here."""
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found


@dataclass(frozen=True, slots=True)
class Wrapper:
    """The tags round calls. An empty opener: calls stand alone, and no end is missing."""

    open: re.Pattern[str] | None
    close: re.Pattern[str]


def blocks(
    text: str, at: int, *, wrapper: Wrapper, call: Callable[[Cursor], Written | None]
) -> Found | None:
    """Calls one behind the other, each block in its wrapper or without it; None where none is, or
    more than anybody means.
    """
    cursor, calls, flaws = Cursor(text, at), [], set()
    while True:
        back = cursor.at
        cursor.blank()
        wrapped = wrapper.open is None or cursor.match(wrapper.open) is not None
        inside = 0
        while (one := _call(cursor, call)) is not None:
            inside += 1
            calls.append(one)
            if len(calls) > CALLS_MAX:
                return None
        if not inside:
            cursor.at = back
            break
        cursor.blank()
        if cursor.match(wrapper.close) is None and wrapped and wrapper.open is not None:
            flaws.add(Kind.UNCLOSED)
        if not wrapped:
            flaws.add(Kind.UNWRAPPED)
    if not calls:
        return None
    closed = Kind.UNCLOSED not in flaws and not any(Kind.UNCLOSED in one.flaws for one in calls)
    return Found(tuple(calls), cursor.at, closed, frozenset(flaws))


def _call(cursor: Cursor, call: Callable[[Cursor], Written | None]) -> Written | None:
    """One call, or nothing passed over."""
    back = cursor.at
    cursor.blank()
    one = call(cursor)
    if one is None:
        cursor.at = back
    return one
