"""Claude Code's session logs: `~/.claude/projects/**/*.jsonl`, one JSON object a line. Pure.

An answer is one line for each block of its content, all with the same message id and with a usage
that grows; a resumed session repeats lines in a new file. Sub-agents write files of their own, or
`progress` lines, and cost the same. Source: what other readers of these logs have written down;
there is no page of the maker's.
"""

from __future__ import annotations

import msgspec

from twotier.domain.message import Usage
from twotier.outside.lines import Seen, a_count, a_model, an_id, an_instant
from twotier.protocols.anthropic_messages.message import UsageIn

SOURCE = "claude_code"
PROVIDER = "anthropic"


class _Message(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    usage: UsageIn | None = None


class _Line(msgspec.Struct, rename="camel"):
    type: str = ""
    timestamp: str | None = None
    request_id: str | None = None
    message: _Message | None = None


class _Held(msgspec.Struct):
    message: _Line | None = None


class _Progress(msgspec.Struct):
    data: _Held | None = None


_LINE = msgspec.json.Decoder(_Line)
_PROGRESS = msgspec.json.Decoder(_Progress)


def read(line: bytes) -> Seen | None:
    """The answer that this line tells of, None for every other line."""
    if b'"usage"' not in line:
        return None
    try:
        found = _LINE.decode(line)
        if found.type == "progress":
            held = _PROGRESS.decode(line).data
            found = (held and held.message) or found
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return _seen(found)


def _seen(line: _Line) -> Seen | None:
    message = line.message
    if line.type != "assistant" or message is None or message.usage is None:
        return None
    seen = Seen(
        SOURCE,
        an_id(message.id),
        an_id(line.request_id),
        an_instant(line.timestamp),
        PROVIDER,
        a_model(message.model),  # `<synthetic>`, a notice of the program's own, is none
        _checked(message.usage.neutral()),
    )
    return seen if seen.id and seen.at_ms and seen.model and seen.tokens else None


def _checked(usage: Usage) -> Usage:
    """The usage, as far as it can be one."""
    return Usage(
        a_count(usage.input_tokens),
        a_count(usage.output_tokens),
        a_count(usage.cache_read_tokens),
        a_count(usage.cache_write_tokens),
        a_count(usage.cache_write_1h_tokens),
        uses=tuple((name, a_count(count)) for name, count in usage.uses if a_count(count)),
        mode=a_model(usage.mode),
        place=a_model(usage.place),
    )
