"""The chunks that nearly all chunks are, told apart at a glance: text, and nothing else.

A stream of a thousand tokens is a thousand chunks that say one word each. To relay one of them
nothing of it has to be known but how much text it holds, so they are read with a type that has room
for nothing else; whatever does not fit it takes the long way.
"""

from __future__ import annotations

import msgspec

from twotier.protocols.sse import SseEvent


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    role: msgspec.Raw = msgspec.Raw(b"")
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: msgspec.Raw = msgspec.Raw(b"")
    refusal: str | None = None
    tool_calls: msgspec.Raw = msgspec.Raw(b"")
    function_call: msgspec.Raw = msgspec.Raw(b"")


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta
    finish_reason: str | None = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice]
    usage: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")
    object: str = ""


_CHUNK = msgspec.json.Decoder(_Chunk)
_NULL = msgspec.Raw(b"null")
_NOTHING = (msgspec.Raw(b""), _NULL)


def plain_text(sse: SseEvent) -> str:
    """The text of an event that is text alone; empty for anything else."""
    if sse.comment is not None or sse.event or not sse.data.startswith(b"{"):
        return ""
    try:
        read = _CHUNK.decode(sse.data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""
    if len(read.choices) != 1 or read.usage not in _NOTHING or read.error not in _NOTHING:
        return ""
    choice = read.choices[0]
    if choice.finish_reason or not choice.delta.content or not _only_text(choice.delta):
        return ""
    return choice.delta.content


def _only_text(delta: _Delta) -> bool:
    return (
        not (delta.reasoning_content or delta.reasoning or delta.refusal)
        and delta.tool_calls in _NOTHING
        and delta.function_call in _NOTHING
        and delta.reasoning_details in _NOTHING
    )
