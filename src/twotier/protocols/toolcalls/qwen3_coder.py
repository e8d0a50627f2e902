"""Qwen3-Coder: `<tool_call>`, in it `<function=NAME>` with `<parameter=NAME>` and text between."""

from __future__ import annotations

import re

from twotier.protocols.toolcalls.base import NAME, Family, Found, Wrapper, blocks
from twotier.protocols.toolcalls.tagged import Tags, tagged_call

_TAGS = Tags(
    invoke=re.compile(rf"<function=(?P<name>{NAME})>"),
    parameter=re.compile(r"<parameter=(?P<name>[^<>\n]{1,128})>"),
    parameter_mark="<parameter=",
    call_mark="<function=",
    value_ends="</parameter>",
    call_ends="</function>",
    follows=re.compile(r"\s*+(?:<parameter=|</function>|</tool_call>|<function=|\Z)"),
)
_WRAPPER = Wrapper(re.compile("<tool_call>"), re.compile("</tool_call>"))


def _read(text: str, at: int) -> Found | None:
    return blocks(text, at, wrapper=_WRAPPER, call=lambda cursor: tagged_call(cursor, _TAGS))


QWEN3_CODER = Family(
    "qwen3_coder",
    ("<tool_call>", "<function="),
    re.compile(rf"(?:<tool_call>\s*+)?<function=(?P<name>{NAME})>"),
    _read,
)
