"""OpenAI's Chat Completions, both ways: clients ask in it, local servers answer it."""

from __future__ import annotations

from twotier.protocols.openai_chat.conversation import read_conversation
from twotier.protocols.openai_chat.guarded import GuardedRelay
from twotier.protocols.openai_chat.reader import StreamReader, StreamRelay
from twotier.protocols.openai_chat.request import read_request, rewrite
from twotier.protocols.openai_chat.whole import observe_whole, read_whole, write_whole
from twotier.protocols.openai_chat.write import write_request
from twotier.protocols.openai_chat.writer import StreamWriter
from twotier.protocols.openai_wire import read_error, write_error

__all__ = [
    "GuardedRelay",
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
