"""Mistral: `[TOOL_CALLS]`, then a JSON array of calls, or `NAME[ARGS]{...}` for each.

There is no end marker: the last bracket is the end.
"""

from __future__ import annotations

import re

from twotier.protocols.toolcalls.base import CALLS_MAX, NAME, Cursor, Family, Found, Kind, Written
from twotier.protocols.toolcalls.named_json import OBJECT_HEAD, json_value, written

MARKER = "[TOOL_CALLS]"
_NAMED = re.compile(
    rf"(?:\[TOOL_CALLS\])?\s*+(?P<name>{NAME})\s*+(?:\[CALL_ID\](?P<id>[\w\-]{{1,64}}))?"
    r"\s*+(?:\[ARGS\])?\s*+(?=\{)"
)


def read_list(text: str, at: int) -> Found | None:
    """An array of calls at `at`; one call alone will do."""
    cursor = Cursor(text, at)
    value, flaws = json_value(cursor)
    given = value if isinstance(value, list) else [value]
    if len(given) > CALLS_MAX:
        return None
    calls = [written(one, flaws) if isinstance(one, dict) else None for one in given]
    if not calls or None in calls:
        return None
    found = tuple(one for one in calls if one is not None)
    return Found(found, cursor.at, Kind.UNCLOSED not in flaws)


def _read(text: str, at: int) -> Found | None:
    cursor = Cursor(text, at)
    cursor.take(MARKER)
    cursor.blank()
    if text.startswith(("[", "{"), cursor.at):
        return read_list(text, cursor.at)
    calls: list[Written] = []
    while named := cursor.match(_NAMED):
        arguments, flaws = json_value(cursor)
        if not isinstance(arguments, dict) or len(calls) == CALLS_MAX:
            return None
        calls.append(Written(named["name"], arguments, flaws=flaws, id=named["id"] or ""))
    closed = not any(Kind.UNCLOSED in one.flaws for one in calls)
    return Found(tuple(calls), cursor.at, closed) if calls else None


MISTRAL = Family(
    "mistral",
    (MARKER,),
    re.compile(
        rf"\[TOOL_CALLS\]\s*+(?:(?:\[\s*+)?{OBJECT_HEAD}"
        rf"|(?P<after>{NAME})\s*+(?:\[CALL_ID\][\w\-]{{1,64}})?\s*+(?:\[ARGS\]\s*+)?\{{)"
    ),
    _read,
)
