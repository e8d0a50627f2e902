"""Freeform tools: OpenAI's custom tools, which take plain text where a function takes JSON.

The neutral form says each as a function of one string named `input` (see `domain.message.Tool`), so
that a dialect without them can ask for the same. A dialect with them unwraps the calls again for
the client, which only knows its tool as a custom one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from twotier.domain.message import Cache, Tool

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
# Around the text of a call, where it has to be written piece by piece.
HEAD, TAIL = '{"input":"', '"}'


class _Input(msgspec.Struct):
    input: str


class _Custom(msgspec.Struct):
    name: str = ""


class _Tool(msgspec.Struct):
    type: str = ""
    name: str = ""  # Responses
    custom: _Custom | None = None  # Chat Completions


class _Body(msgspec.Struct):
    tools: list[_Tool] | None = None


_INPUT = msgspec.json.Decoder(_Input)
_BODY = msgspec.json.Decoder(_Body)
_encode = msgspec.json.Encoder().encode


def freeform(
    name: str, description: str, *, syntax: str = "", definition: str = "", cache: Cache = ""
) -> Tool:
    """A custom tool. A grammar (of `syntax` lark or regex) cannot be enforced: words say it."""
    if definition:
        description = f"{description}\n\nThe input follows this {syntax} grammar:\n{definition}"
    return Tool(name, description.strip(), SCHEMA, freeform=True, cache=cache)


def wrapped(text: str) -> str:
    """The text of a custom call as the arguments of a function."""
    return _encode({"input": text}).decode()


def escaped(text: str) -> str:
    """A piece of that text as it stands between `HEAD` and `TAIL`."""
    return _encode(text).decode()[1:-1]


def unwrapped(arguments: str) -> str:
    """The text in the arguments of a function. What has another form is shown as it is: a small
    model that was told of text may write just that.
    """
    try:
        return _INPUT.decode(arguments).input
    except (msgspec.DecodeError, RecursionError):
        return arguments


def freeform_names(body: bytes) -> frozenset[str]:
    """The custom tools of a client's request, in either of OpenAI's dialects."""
    if b'"custom"' not in body:  # nearly always
        return frozenset()
    try:
        tools = _BODY.decode(body).tools or ()
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return frozenset()  # the request itself was refused, or will be
    return frozenset(
        tool.custom.name if tool.custom else tool.name for tool in tools if tool.type == "custom"
    )
