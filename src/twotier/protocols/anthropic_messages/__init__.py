"""Anthropic's Messages, both ways: coding clients ask in it, the frontier answers it."""

from __future__ import annotations

from twotier.protocols.anthropic_messages.batches import (
    read_batch,
    read_page,
    read_result,
    write_batch,
)
from twotier.protocols.anthropic_messages.caching import marked
from twotier.protocols.anthropic_messages.conversation import read_conversation
from twotier.protocols.anthropic_messages.count import estimated_count, no_count, observe_count
from twotier.protocols.anthropic_messages.failure import read_error, write_error
from twotier.protocols.anthropic_messages.reader import StreamReader, StreamRelay
from twotier.protocols.anthropic_messages.request import (
    read_count,
    read_request,
    rewrite,
    rewrite_count,
)
from twotier.protocols.anthropic_messages.whole import observe_whole, read_whole, write_whole
from twotier.protocols.anthropic_messages.write import write_request
from twotier.protocols.anthropic_messages.writer import StreamWriter

__all__ = [
    "StreamReader",
    "StreamRelay",
    "StreamWriter",
    "estimated_count",
    "marked",
    "no_count",
    "observe_count",
    "observe_whole",
    "read_batch",
    "read_conversation",
    "read_count",
    "read_error",
    "read_page",
    "read_request",
    "read_result",
    "read_whole",
    "rewrite",
    "rewrite_count",
    "write_batch",
    "write_error",
    "write_request",
    "write_whole",
]
