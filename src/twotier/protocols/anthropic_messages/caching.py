"""Where a prompt is marked for Anthropic's cache, if its client marked nothing itself.

The API caches everything up to a mark, tools before system before messages, and reads it at a
tenth of the price; a later request finds the longest prefix that some mark ended. So there is one
mark behind what never changes, and one behind the talk so far
(https://platform.claude.com/docs/en/build-with-claude/prompt-caching). Everything else stays byte
for byte as it came: a prefix that was said otherwise is another prefix.
"""

from __future__ import annotations

import msgspec

from twotier.domain.message import Cache, Caching
from twotier.protocols.anthropic_messages.turns import cache_mark

# The least that most models cache is 1,024 tokens (Opus 4.5 and 4.6: 4,096), at four bytes each. A
# mark on less costs nothing and gains nothing.
BYTES_MIN = 4 * 1024
_QUOTE = ord('"')
_UNMARKED = frozenset({"thinking", "redacted_thinking"})
_MARK = b'"cache_control"'  # inside a text its quotes would be escaped

Block = dict[str, msgspec.Raw]
_FIELDS = msgspec.json.Decoder(Block)
_RAWS: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode
_TRUE = msgspec.Raw(b"true")


def marked(body: bytes, caching: Caching) -> bytes:
    """The body of a request with our marks; the same where the client set one, or nothing pays."""
    if len(body) < BYTES_MIN or _MARK in body:
        return body
    fields = _FIELDS.decode(body)
    found = _prefix(fields, caching.prefix) if caching.prefix else False
    if caching.history:
        found = _history(fields, caching.history) or found
    return _encode(fields) if found else body


def _prefix(fields: Block, life: Cache) -> bool:
    """Marks the end of the system text, which follows the tools, or of the tools."""
    size = sum(len(memoryview(fields[name])) for name in ("system", "tools") if name in fields)
    if size < BYTES_MIN:
        return False
    if "system" in fields and (said := _ended(fields["system"], life)):
        fields["system"] = said
        return True
    if "tools" not in fields:
        return False
    tools = [_FIELDS.decode(tool) for tool in _RAWS.decode(fields["tools"])]
    # A tool that is searched for first is not part of the prompt yet, and must not be marked.
    shown = [tool for tool in tools if tool.get("defer_loading") != _TRUE]
    if not shown:
        return False
    shown[-1]["cache_control"] = _mark(life)
    fields["tools"] = msgspec.Raw(_encode(tools))
    return True


def _history(fields: Block, life: Cache) -> bool:
    """Marks the last thing said, where more will follow: a talk that has begun, or work with
    tools.
    """
    messages = _RAWS.decode(fields["messages"])
    if len(messages) == 1 and "tools" not in fields:
        return False
    last = _FIELDS.decode(messages[-1])
    said = _ended(last["content"], life)
    if said is None:
        return False
    last["content"] = said
    messages[-1] = msgspec.Raw(_encode(last))
    fields["messages"] = msgspec.Raw(_encode(messages))
    return True


def _ended(content: msgspec.Raw, life: Cache) -> msgspec.Raw | None:
    """A text, or blocks, with a mark at the end; None where there is nothing to mark."""
    if memoryview(content)[0] == _QUOTE:
        blocks: list[msgspec.Raw] = []
        block = {"type": msgspec.Raw(b'"text"'), "text": content}
    else:
        *blocks, last = _RAWS.decode(content) or [msgspec.Raw(b"{}")]
        block = _FIELDS.decode(last)
    kind = _TEXT.decode(block.get("type", b'""'))
    if kind in _UNMARKED or (kind == "text" and not _TEXT.decode(block["text"]).strip()):
        return None
    block["cache_control"] = _mark(life)
    return msgspec.Raw(_encode([*blocks, block])) if kind else None


def _mark(life: Cache) -> msgspec.Raw:
    return msgspec.Raw(_encode(cache_mark(life)))
