"""Hermes and Qwen: a JSON object with the name in it, between `<tool_call>` and its end."""

from __future__ import annotations

import re

from twotier.protocols.toolcalls.base import Family, Found, Wrapper, blocks
from twotier.protocols.toolcalls.named_json import OBJECT_HEAD, json_call

_WRAPPER = Wrapper(re.compile("<tool_call>"), re.compile("</tool_call>"))


def _read(text: str, at: int) -> Found | None:
    return blocks(text, at, wrapper=_WRAPPER, call=json_call)


HERMES = Family("hermes", ("<tool_call>",), re.compile(r"<tool_call>\s*+" + OBJECT_HEAD), _read)
