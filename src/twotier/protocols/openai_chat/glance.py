"""The messages of a request at one glance: what routing and a server's template look at.

No text is read: whoever needs one decodes it from its `Raw`.
"""

from __future__ import annotations

import msgspec

NOTHING = msgspec.Raw(b"")  # the value of a field that is not there
_LIST = ord("[")


class Function(msgspec.Struct, gc=False):
    """What was called; the arguments are text, or what some clients send instead."""

    arguments: str | dict[str, msgspec.Raw] | list[msgspec.Raw] | float | bool | None = None


class Call(msgspec.Struct, gc=False):
    """One call of a past answer."""

    id: str | None = None
    function: Function | None = None


class Turn(msgspec.Struct, gc=False):
    """One message, without its texts."""

    role: str
    content: msgspec.Raw = NOTHING
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None
    reasoning_content: msgspec.Raw = NOTHING
    reasoning: msgspec.Raw = NOTHING
    thinking: msgspec.Raw = NOTHING


def in_parts(turn: Turn) -> bool:
    """Whether its content is a list of parts."""
    # Comparing would look at all of it.
    return turn.content is not NOTHING and memoryview(turn.content)[0] == _LIST
