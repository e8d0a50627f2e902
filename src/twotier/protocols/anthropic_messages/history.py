"""What a local model left in a history, taken out of a body that is relayed to Anthropic.

A client whose earlier answers came from another server sends them back as they were. The API
refuses the whole conversation for thinking that it has not signed, and for a text of blanks alone.
"""

from __future__ import annotations

import re

import msgspec

from twotier.protocols.anthropic_messages.turns import unsigned
from twotier.protocols.wire import read_client_json

_THINKING = re.compile(rb'"type"\s*:\s*"thinking"')
_BLANK = re.compile(rb'"text"\s*:\s*"(?:\s|\\[nrt])*"')


class _Block(msgspec.Struct):
    type: str = ""
    text: str | None = None
    signature: str | None = None


class _Turn(msgspec.Struct):
    role: str
    content: str | list[_Block]


_TURNS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_HEADS = msgspec.json.Decoder(list[_Turn])
_BLOCKS = msgspec.json.Decoder(list[msgspec.Raw])
_BLOCK = msgspec.json.Decoder(_Block | None)
_NULL = msgspec.Raw(b"null")
_OFF = msgspec.Raw(b'{"type":"disabled"}')
_encode = msgspec.json.Encoder().encode


def mend(fields: dict[str, msgspec.Raw]) -> list[str]:
    """Take it out of `messages`, leaving everything else byte for byte; the names of what is lost.

    In the middle of tool calls that began with such thinking, the API refuses to think by a budget:
    then `thinking` is gone too. Raises `RequestError` for what is none of its forms.
    """
    raw = bytes(fields["messages"])
    if _THINKING.search(raw) is None and _BLANK.search(raw) is None:
        return []
    lost: set[str] = set()
    turns = read_client_json(_TURNS, raw)
    mended = [_mended(turn, lost) for turn in turns]
    if all(one is turn for one, turn in zip(mended, turns, strict=True)):
        return []
    fields["messages"] = msgspec.Raw(_encode([turn for turn in mended if turn is not None]))
    if lost and _budget(fields) and _breaks(fields["messages"]):
        fields["thinking"] = _OFF
        lost.add("thinking")
    return sorted(lost)


def _mended(turn: dict[str, msgspec.Raw], lost: set[str]) -> dict[str, msgspec.Raw] | None:
    """The turn without it: the same object if it has none, nothing if it has only that."""
    content = bytes(turn["content"])
    if bytes(turn["role"]) != b'"assistant"' or not content.startswith(b"["):
        return turn
    blocks = read_client_json(_BLOCKS, content)
    kept = [block for block in blocks if not _refused(block, lost)]
    if len(kept) == len(blocks):
        return turn
    return {**turn, "content": msgspec.Raw(_encode(kept))} if kept else None


def _refused(block: msgspec.Raw, lost: set[str]) -> bool:
    head = read_client_json(_BLOCK, bytes(block)) or _Block()
    if head.type == "thinking" and not head.signature:
        lost.add("messages[].content[].thinking")
        return True
    return head.type == "text" and not (head.text or "").strip()


def _budget(fields: dict[str, msgspec.Raw]) -> bool:
    thinking = read_client_json(_BLOCK, bytes(fields.get("thinking", _NULL)))
    return thinking is not None and thinking.type == "enabled"


def _breaks(messages: msgspec.Raw) -> bool:
    turns = [
        {"role": turn.role, "content": [{"type": kind} for kind in _kinds(turn)]}
        for turn in read_client_json(_HEADS, bytes(messages))
    ]
    return unsigned(turns)


def _kinds(turn: _Turn) -> list[str]:
    return ["text"] if isinstance(turn.content, str) else [block.type for block in turn.content]
