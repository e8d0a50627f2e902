"""OpenClaw's session logs: `~/.openclaw/agents/*/sessions/*.jsonl`, one JSON object a line. Pure.

Since 2026.9 the lines are rows of a database (`tables`). Each `message` line of an assistant has
provider, model and usage. Its own `cost` is not read: it is 0 where nobody set a price. Writes to
the cache for an hour are a part of `cacheWrite`, where they are told at all. The id of a response
is the model's, and says nothing of a request.
"""

from __future__ import annotations

import msgspec

from twotier.domain.message import Usage
from twotier.outside.lines import Seen, a_count, a_model, an_id, an_instant

SOURCE = "openclaw"


class _Usage(msgspec.Struct, rename="camel"):
    input: float | None = None
    output: float | None = None
    cache_read: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = msgspec.field(default=None, name="cacheWrite1h")


class _Message(msgspec.Struct, rename="camel"):
    role: str = ""
    provider: str | None = None
    model: str | None = None
    response_id: str | None = None
    timestamp: str | float | None = None
    usage: _Usage | None = None


class _Line(msgspec.Struct, rename="camel"):
    type: str = ""
    id: str | None = None
    timestamp: str | float | None = None
    message: _Message | None = None


_LINE = msgspec.json.Decoder(_Line)


def read(line: bytes) -> Seen | None:
    """The answer that this line tells of, None for every other line."""
    if b'"usage"' not in line:
        return None
    try:
        found = _LINE.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    message = found.message
    if message is None or message.role != "assistant" or message.usage is None:
        return None
    at_ms = an_instant(message.timestamp) or an_instant(found.timestamp)
    seen = Seen(
        SOURCE,
        _name(found.id, message.response_id, at_ms=at_ms),
        "",
        at_ms,
        a_model(message.provider).lower(),
        a_model(message.model),
        _tokens(message.usage),
    )
    return seen if seen.id and seen.at_ms and seen.provider and seen.model and seen.tokens else None


def _name(line_id: str | None, response_id: str | None, *, at_ms: int) -> str:
    """What stays the same where a session is copied. A line's id alone is short, and counts only
    inside its file.
    """
    line = an_id(line_id)
    return an_id(response_id) or (f"{line}:{at_ms}" if line else "")


def _tokens(usage: _Usage) -> Usage:
    written = a_count(usage.cache_write)
    written_1h = min(written, a_count(usage.cache_write_1h))
    return Usage(
        a_count(usage.input),
        a_count(usage.output),
        a_count(usage.cache_read),
        written - written_1h,
        written_1h,
    )
