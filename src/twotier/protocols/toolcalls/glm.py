"""GLM 4.5 to 4.7: `<tool_call>NAME`, then `<arg_key>` and `<arg_value>` in pairs."""

from __future__ import annotations

import re

from twotier.protocols.toolcalls.base import (
    NAME,
    Cursor,
    Family,
    Found,
    Kind,
    Wrapper,
    Written,
    blocks,
)

_NAME = re.compile(rf"(?P<name>{NAME})\s*+(?=<arg_key>|</tool_call>)")
_KEY = re.compile(r"\s*+<arg_key>(?P<name>[^<>]{1,128})</arg_key>\s*+<arg_value>")
_WRAPPER = Wrapper(re.compile("<tool_call>"), re.compile("</tool_call>"))
_ENDS = "</arg_value>"
_FOLLOWS = re.compile(r"\s*+(?:<arg_key>|</tool_call>|<tool_call>|\Z)")


def _call(cursor: Cursor) -> Written | None:
    named = cursor.match(_NAME)
    if named is None:
        return None
    arguments: dict[str, str] = {}
    while key := cursor.match(_KEY):
        start, end = cursor.at, cursor.find(_ENDS)
        while end >= 0 and not _FOLLOWS.match(cursor.text, end + len(_ENDS)):
            end = cursor.text.find(_ENDS, end + len(_ENDS))
        if end < 0:
            return None
        value = cursor.text[start:end]
        arguments[key["name"].strip()] = value.removeprefix("\n").removesuffix("\n")
        cursor.at = end + len(_ENDS)
    return Written(named["name"], arguments, plain=True, flaws=frozenset[Kind]())


def _read(text: str, at: int) -> Found | None:
    return blocks(text, at, wrapper=_WRAPPER, call=_call)


GLM = Family(
    "glm",
    ("<tool_call>",),
    re.compile(rf"<tool_call>\s*+(?P<name>{NAME})\s*+(?:<arg_key>|</tool_call>)"),
    _read,
)
