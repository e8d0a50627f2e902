"""Anthropic's Messages API as we ask it: the dialect of the frontier tier."""

from __future__ import annotations

from twotier.protocols.anthropic_messages.reader import StreamReader
from twotier.protocols.anthropic_messages.whole import observe_whole, read_error, read_whole
from twotier.protocols.anthropic_messages.write import write_request

__all__ = ["StreamReader", "observe_whole", "read_error", "read_whole", "write_request"]
