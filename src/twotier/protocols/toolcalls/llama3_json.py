"""Llama 3: one JSON object, `{"name": ..., "parameters": {...}}`, with `<|python_tag|>` before it
or nothing at all; several stand behind semicolons.

Without the tag only a message that is nothing but such objects is a call, and only of a model known
to write so: servers take the tag for a control token and leave it out.
"""

from __future__ import annotations

import re

from twotier.protocols.toolcalls.base import CALLS_MAX, Cursor, Family, Found, Kind, Written
from twotier.protocols.toolcalls.mistral import read_list
from twotier.protocols.toolcalls.named_json import OBJECT_HEAD, json_call

_BEFORE = re.compile(r"\s*+(?:;\s*+)?(?:<\|python_tag\|>\s*+)?(?=\{)")


def _read(text: str, at: int) -> Found | None:
    cursor, calls = Cursor(text, at), list[Written]()
    while cursor.match(_BEFORE):
        one = json_call(cursor)
        if one is None or len(calls) == CALLS_MAX:
            return None
        calls.append(one)
    closed = not any(Kind.UNCLOSED in one.flaws for one in calls)
    return Found(tuple(calls), cursor.at, closed) if calls else None


def _read_bare(text: str, at: int) -> Found | None:
    return read_list(text, at) if text.startswith("[", at) else _read(text, at)


LLAMA3_JSON = Family(
    "llama3_json", ("<|python_tag|>",), re.compile(r"<\|python_tag\|>\s*+" + OBJECT_HEAD), _read
)
# The message begins with it: see `scan`. It has no opener of its own.
BARE_JSON = Family(
    "bare_json",
    (),
    re.compile(r"(?:\[\s*+)?" + OBJECT_HEAD),
    _read_bare,
)
