"""Kimi K2: a section of calls, each `functions.NAME:NUMBER`, a marker, and its arguments as JSON.

The name with its number is the id that the model wants to see again with the result.
"""

from __future__ import annotations

import re

from twotier.protocols.toolcalls.base import Cursor, Family, Found, Kind, Wrapper, Written, blocks
from twotier.protocols.toolcalls.named_json import json_value

_HEAD = (
    r"<\|tool_call_begin\|>\s*+(?P<id>(?:functions\.)?(?P<name>[\w.\-]{1,128}?)(?::\d+)?)"
    r"\s*+<\|tool_call_argument_begin\|>"
)
_CALL = re.compile(_HEAD + r"\s*+")
_END = "<|tool_call_end|>"
_WRAPPER = Wrapper(
    re.compile(r"<\|tool_calls?_section_begin\|>"), re.compile(r"<\|tool_calls?_section_end\|>")
)


def _call(cursor: Cursor) -> Written | None:
    named = cursor.match(_CALL)
    if named is None:
        return None
    arguments, flaws = json_value(cursor)
    if not isinstance(arguments, dict):
        return None
    cursor.blank()
    if not cursor.take(_END):
        flaws |= {Kind.UNCLOSED}
    id_ = named["id"] if ":" in named["id"] else ""
    return Written(named["name"], arguments, flaws=flaws, id=id_)


def _read(text: str, at: int) -> Found | None:
    return blocks(text, at, wrapper=_WRAPPER, call=_call)


KIMI_K2 = Family(
    "kimi_k2",
    ("<|tool_calls_section_begin|>", "<|tool_call_section_begin|>", "<|tool_call_begin|>"),
    re.compile(r"(?:<\|tool_calls?_section_begin\|>\s*+)?" + _HEAD),
    _read,
)
