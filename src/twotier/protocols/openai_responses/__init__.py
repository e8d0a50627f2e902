"""OpenAI's Responses API, both ways: Codex and the SDK ask in it, some servers answer it."""

from __future__ import annotations

from twotier.protocols.openai_responses.conversation import read_conversation
from twotier.protocols.openai_responses.reader import StreamReader
from twotier.protocols.openai_responses.relay import StreamRelay
from twotier.protocols.openai_responses.request import read_request, rewrite
from twotier.protocols.openai_responses.whole import observe_whole, read_whole, write_whole
from twotier.protocols.openai_responses.write import write_request
from twotier.protocols.openai_responses.writer import StreamWriter
from twotier.protocols.openai_wire import read_error, write_error

__all__ = [
    "StreamReader",
    "StreamRelay",
    "StreamWriter",
    "observe_whole",
    "read_conversation",
    "read_error",
    "read_request",
    "read_whole",
    "rewrite",
    "write_error",
    "write_request",
    "write_whole",
]
