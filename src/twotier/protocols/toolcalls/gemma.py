"""Gemma: `call:NAME{key:value}` between markers, FunctionGemma's or Gemma 4's.

Keys have no quotes; a string stands between `<escape>` marks, or Gemma 4's `<|"|>`. All else is as
in JSON, so it is read as that once the strings are said in JSON's words.
"""

from __future__ import annotations

import json
import re

from twotier.protocols.toolcalls.base import NAME, Cursor, Family, Wrapper, Written, blocks
from twotier.protocols.toolcalls.lenient import BrokenJsonError, read_value

_CALL = re.compile(rf"call:\s*+(?P<name>{NAME})\s*+(?=\{{)")
_QUOTES = ("<escape>", '<|"|>')
_WRAPPER = Wrapper(
    re.compile(r"<\|tool_call>|<start_function_call>"),
    re.compile(r"<tool_call\|>|<end_function_call>"),
)


def _call(cursor: Cursor) -> Written | None:
    named = cursor.match(_CALL)
    if named is None:
        return None
    raw = _object(cursor)
    try:
        arguments, end, _, closed = read_value(raw, 0)
    except BrokenJsonError:
        return None
    return Written(named["name"], arguments) if closed and end == len(raw) else None


def _object(cursor: Cursor) -> str:
    """The object at the cursor as JSON with bare keys and words; empty where it does not end."""
    pieces, depth = list[str](), 0
    while found := _NEXT.search(cursor.text, cursor.at):
        pieces.append(_worded(cursor.text[cursor.at : found.start()]))
        cursor.at = found.end()
        mark = found[0]
        if mark.startswith('"'):
            pieces.append(mark)
            continue
        if mark in _QUOTES:
            end = cursor.find(mark)
            if end < 0:
                return ""
            pieces.append(json.dumps(cursor.text[cursor.at : end]))
            cursor.at = end + len(mark)
            continue
        pieces.append(mark)
        depth += (mark in "{[") - (mark in "}]")
        if not depth:
            return "".join(pieces)
    return ""


def _worded(text: str) -> str:
    """A value that is no JSON and has no quotes is text."""
    word = text.strip()
    return text if not word or _PLAIN.fullmatch(word) else json.dumps(word)


_NEXT = re.compile(r"<escape>|<\|\"\|>|\"[^\"]*\"|[{}\[\],:]")
_PLAIN = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+\-]?\d+)?|true|false|null")

GEMMA = Family(
    "gemma",
    ("<|tool_call>", "<start_function_call>"),
    re.compile(rf"(?:<\|tool_call>|<start_function_call>)\s*+call:\s*+(?P<name>{NAME})\s*+\{{"),
    lambda text, at: blocks(text, at, wrapper=_WRAPPER, call=_call),
)
