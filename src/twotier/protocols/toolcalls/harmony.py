"""Harmony (gpt-oss): a message to `functions.NAME` on the commentary channel, its text JSON.

The recipient stands behind the channel or before it; `<|constrain|>json` may stand between.
"""

from __future__ import annotations

import re

from twotier.protocols.toolcalls.base import Cursor, Family, Found, Wrapper, Written, blocks
from twotier.protocols.toolcalls.named_json import json_value

_TO = r"to=functions\.(?P<{}>[\w.\-]{{1,128}})"
_AFTER = rf"<\|channel\|>\s*+(?:commentary|analysis)\s++{_TO.format('after')}"
_BEFORE = rf"\s++{_TO.format('before')}\s*+<\|channel\|>\s*+(?:commentary|analysis)"
_HEAD = (
    rf"(?:<\|start\|>assistant)?(?:{_AFTER}|{_BEFORE})"
    r"\s*+(?:<\|constrain\|>)?\s*+(?:json)?\s*+<\|message\|>"
)
_CALL = re.compile(_HEAD + r"\s*+")
_END = re.compile(r"\s*+<\|(?:call|end|return)\|>")
_WRAPPER = Wrapper(None, re.compile(""))


def _call(cursor: Cursor) -> Written | None:
    named = cursor.match(_CALL)
    if named is None:
        return None
    arguments, flaws = json_value(cursor)
    if not isinstance(arguments, dict):
        return None
    # The end marker is the stop token: most servers take it away, so its absence says nothing.
    cursor.match(_END)
    return Written(named["after"] or named["before"], arguments, flaws=flaws)


def _read(text: str, at: int) -> Found | None:
    return blocks(text, at, wrapper=_WRAPPER, call=_call)


HARMONY = Family(
    "harmony",
    ("<|channel|>commentary", "<|channel|>analysis", "<|start|>assistant"),
    re.compile(_HEAD),
    _read,
)
