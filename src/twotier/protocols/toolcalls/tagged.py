"""Calls whose arguments are tags with text between them: MiniMax, Qwen3-Coder, DeepSeek's DSML.

The text of a value is not escaped, so an end tag inside it looks like its end. It is the end only
where something that may follow a value follows: the next argument, the end of the call, nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from twotier.protocols.toolcalls.base import Cursor, Kind, Written


@dataclass(frozen=True, slots=True)
class Tags:
    """`invoke` and `parameter` open, with a group `name`; `parameter` may say `string="false"`.

    `value_ends` closes a value where `follows` matches behind it; `call_ends` closes the call.
    `parameter_mark` and `call_mark` are what every one of them begins with.
    """

    invoke: re.Pattern[str]
    parameter: re.Pattern[str]
    parameter_mark: str
    call_mark: str
    value_ends: str
    call_ends: str
    follows: re.Pattern[str]


def tagged_call(cursor: Cursor, tags: Tags) -> Written | None:
    """One call, None where none stands or a value has no end."""
    named = cursor.match(tags.invoke)
    if named is None:
        return None
    arguments: dict[str, str] = {}
    flaws = set()
    while True:
        back = cursor.at
        cursor.blank()
        parameter = cursor.match(tags.parameter)
        if parameter is None:
            break
        value = _value(cursor, tags)
        if value is None:
            return None
        text, ended = value
        if not ended:
            flaws.add(Kind.UNCLOSED)
        arguments[parameter["name"]] = _trimmed(text)
    if not cursor.take(tags.call_ends):
        cursor.at = back
        flaws.add(Kind.UNCLOSED)
    return Written(named["name"], arguments, plain=True, flaws=frozenset(flaws))


def _value(cursor: Cursor, tags: Tags) -> tuple[str, bool] | None:
    """The text of a value, and whether its own tag ended it; None where nothing does."""
    text, start = cursor.text, cursor.at
    end, mark, call_end = (
        cursor.find(literal) for literal in (tags.value_ends, tags.parameter_mark, tags.call_ends)
    )
    width = len(tags.value_ends)
    follows = end >= 0 and tags.follows.match(text, end + width) is not None
    if end < 0 or (follows and 0 <= mark < end):
        # The end that comes next is another value's: this one is over where that one begins.
        stops = [place for place in (call_end, mark) if place >= 0]
        if not stops or text.find(tags.call_mark, start, min(stops)) >= 0:
            return None
        cursor.at = min(stops)
        return text[start : cursor.at], False
    while end >= 0 and not follows:
        end = text.find(tags.value_ends, end + width)
        follows = end >= 0 and tags.follows.match(text, end + width) is not None
    if end < 0:
        return None
    cursor.at = end + width
    return text[start:end], True


def _trimmed(text: str) -> str:
    """Without the one line break that families set before and after a value."""
    return text.removeprefix("\n").removesuffix("\n")
