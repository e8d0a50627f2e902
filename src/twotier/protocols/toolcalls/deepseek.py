"""DeepSeek. V3 and R1 write `<|tool_calls_begin|>`, then for each call the word `function`, a
separator, its name, and JSON in a fence; V3.1 leaves out the word and the fence.

V3.2 and V4 write tags instead, each with `|DSML|` in it: `<|DSML|invoke name="...">`, and in it
`<|DSML|parameter name="..." string="true">`. Where `string` is false the value is JSON, which the
schema of the tool says as well. There are one or two bars on either side.

The bars and the low lines are not those of ASCII.
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
from twotier.protocols.toolcalls.named_json import json_value
from twotier.protocols.toolcalls.tagged import Tags, tagged_call

BAR, LINE = "\N{FULLWIDTH VERTICAL LINE}", "\N{LOWER ONE EIGHTH BLOCK}"


def token(words: str) -> str:
    """A token of the family, its words given with blanks between."""
    return f"<{BAR}{words.replace(' ', LINE)}{BAR}>"


_BEGIN, _END, _SEPARATOR = token("tool call begin"), token("tool call end"), token("tool sep")
_CALLS_BEGIN, _CALLS_END = token("tool calls begin"), token("tool calls end")
# The word is no name, also while no more than it has come.
_WORD = rf"function\s*+{_SEPARATOR}"
_HEAD = rf"{_BEGIN}\s*+(?:{_WORD}|(?!{_WORD}))\s*+(?P<name>{NAME})\s*+"
_CALL = re.compile(rf"{_HEAD}(?:{_SEPARATOR})?\s*+(?:```json\s*+)?(?=\{{)")
_FENCE = re.compile(r"\s*+```")
_WRAPPER = Wrapper(re.compile(_CALLS_BEGIN), re.compile(_CALLS_END))


def _call(cursor: Cursor) -> Written | None:
    named = cursor.match(_CALL)
    if named is None:
        return None
    arguments, flaws = json_value(cursor)
    if not isinstance(arguments, dict):
        return None
    cursor.match(_FENCE)
    cursor.blank()
    if not cursor.take(_END):
        flaws |= {Kind.UNCLOSED}
    return Written(named["name"], arguments, flaws=flaws)


def _read(text: str, at: int) -> Found | None:
    return blocks(text, at, wrapper=_WRAPPER, call=_call)


DEEPSEEK = Family(
    "deepseek",
    (_CALLS_BEGIN, _BEGIN),
    re.compile(rf"(?:{_CALLS_BEGIN}\s*+)?{_HEAD}(?:{_SEPARATOR}|```|\{{)"),
    _read,
)

_D = f"{BAR}DSML{BAR}"
_ANY_D = f"{BAR}{{1,2}}DSML{BAR}{{1,2}}"
_TAGS = Tags(
    invoke=re.compile(rf"<{_D}invoke\s++name=\"(?P<name>{NAME})\"\s*+>"),
    parameter=re.compile(rf"<{_D}parameter\s++name=\"(?P<name>[^\"<>]{{1,128}})\"[^<>]{{0,40}}>"),
    parameter_mark=f"<{_D}parameter ",
    call_mark=f"<{_D}invoke ",
    value_ends=f"</{_D}parameter>",
    call_ends=f"</{_D}invoke>",
    follows=re.compile(rf"\s*+(?:<{_D}parameter |</{_D}invoke>|<{_D}invoke |</{_D}\w|\Z)"),
)
_DSML_WRAPPER = Wrapper(
    re.compile(rf"<{_D}(?:function_calls|tool_calls)>"),
    re.compile(rf"</{_D}(?:function_calls|tool_calls)>"),
)


def _read_dsml(text: str, at: int) -> Found | None:
    """Two bars are one."""
    single = text[at:].replace(f"{BAR}{_D}{BAR}", _D)
    found = blocks(single, 0, wrapper=_DSML_WRAPPER, call=lambda c: tagged_call(c, _TAGS))
    if found is None:
        return None
    end = len(text) - (len(single) - found.end)
    return Found(found.calls, end, found.closed, found.flaws)


DSML = Family(
    "deepseek_dsml",
    (f"<{_D}", f"<{BAR}{_D}{BAR}"),
    re.compile(
        rf"(?:<{_ANY_D}(?:function_calls|tool_calls)>\s*+)?"
        rf"<{_ANY_D}invoke\s++name=\"(?P<name>{NAME})\"\s*+>"
    ),
    _read_dsml,
)
