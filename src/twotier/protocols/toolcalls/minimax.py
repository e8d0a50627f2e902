"""MiniMax M2: `<minimax:tool_call>`, in it `<invoke name="...">` with `<parameter name="...">`.

M3 writes `]<]minimax[>[` before each tag, a wrapper without a namespace, and names each argument by
its own tag: `<path>notes.txt</path>`.
"""

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
from twotier.protocols.toolcalls.tagged import Tags, tagged_call

NAMESPACE = "]<]minimax[>["
_INVOKE = rf"<invoke\s++name=(?P<quote>[\"']?)(?P<name>{NAME})(?P=quote)\s*+>"
_TAGS = Tags(
    invoke=re.compile(_INVOKE),
    parameter=re.compile(r"<parameter\s++name=([\"']?)(?P<name>[^\"'<>]{1,128})\1\s*+>"),
    parameter_mark="<parameter name=",
    call_mark="<invoke name=",
    value_ends="</parameter>",
    call_ends="</invoke>",
    follows=re.compile(r"\s*+(?:<parameter\s++name=|</invoke>|</minimax:tool_call>|<invoke |\Z)"),
)
_WRAPPER = Wrapper(re.compile("<minimax:tool_call>"), re.compile("</minimax:tool_call>"))
_WRAPPER_3 = Wrapper(re.compile("<tool_call>"), re.compile("</tool_call>"))
_INVOKE_3 = re.compile(_INVOKE)
_ARGUMENT_3 = re.compile(r"<(?P<name>[\w.\-]{1,128})>")


def _read(text: str, at: int) -> Found | None:
    return blocks(text, at, wrapper=_WRAPPER, call=lambda cursor: tagged_call(cursor, _TAGS))


def _read_3(text: str, at: int) -> Found | None:
    """The namespace says nothing that the tags do not; without it the text is read."""
    bare = text[at:].replace(NAMESPACE, "")
    found = blocks(bare, 0, wrapper=_WRAPPER_3, call=_call_3)
    if found is None:
        return None
    end = len(text) - (len(bare) - found.end)
    return Found(found.calls, end, found.closed, found.flaws)


def _call_3(cursor: Cursor) -> Written | None:
    named = cursor.match(_INVOKE_3)
    if named is None:
        return None
    arguments: dict[str, str] = {}
    while True:
        back = cursor.at
        cursor.blank()
        argument = cursor.match(_ARGUMENT_3)
        if argument is None:
            break
        closing = f"</{argument['name']}>"
        end = cursor.text.find(closing, cursor.at)
        if end < 0:
            return None
        arguments[argument["name"]] = cursor.text[cursor.at : end]
        cursor.at = end + len(closing)
    flaws = frozenset[Kind]()
    if not cursor.take("</invoke>"):
        cursor.at, flaws = back, frozenset({Kind.UNCLOSED})
    return Written(named["name"], arguments, plain=True, flaws=flaws)


M2 = Family(
    "minimax_m2",
    ("<minimax:tool_call>", "<invoke name="),
    re.compile(rf"(?:<minimax:tool_call>\s*+)?{_INVOKE}"),
    _read,
)
_NS = re.escape(NAMESPACE)
M3 = Family(
    "minimax_m3",
    (NAMESPACE, "<tool_call>"),
    re.compile(rf"(?:{_NS}(?:<tool_call>\s*+(?:{_NS})?)?|<tool_call>\s*+{_NS}){_INVOKE}"),
    _read_3,
)
