"""OpenAI's text completions, for servers that have them: relayed, never translated.

A prompt without roles says nothing that another dialect could say in its place: the text to be
continued would become a question.
"""

from __future__ import annotations

from twotier.protocols.openai_completions.answer import observe_whole, read_whole, write_whole
from twotier.protocols.openai_completions.request import no_translation, read_request, rewrite
from twotier.protocols.openai_completions.stream import StreamReader, StreamRelay, StreamWriter
from twotier.protocols.openai_wire import read_error, write_error

__all__ = [
    "StreamReader",
    "StreamRelay",
    "StreamWriter",
    "no_translation",
    "observe_whole",
    "read_error",
    "read_request",
    "read_whole",
    "rewrite",
    "write_error",
    "write_whole",
]
