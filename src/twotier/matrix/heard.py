"""What was heard of one question, and the first look at it that every row takes.

Judging gives a short fixed phrase why an answer did not pass, an empty one where it did. Never a
word of the answer itself: these phrases are stored. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from twotier.domain.message import Finish, Reasoning, Text, ToolCall, Usage
from twotier.protocols.json_schema import problems

# How a call begins in the families' own text; see `protocols.toolcalls`.
MARKERS = (
    "<minimax:tool_call>",
    "]<]minimax[>[",
    "<invoke ",
    "<tool_call",
    "<function=",
    "<arg_key>",
    "<|tool_call",
    "<|python_tag|>",
    "<|channel|>",
    "[TOOL_CALLS]",
    "<start_function_call>",
    "\uff5ctool\u2581call",
)
TALKED = "talked instead of calling"
LEAKED = "wrote its call as text"


class Heard(msgspec.Struct, frozen=True):
    """An answer, or what came of it. `error` is a code of `errors` or the upstream's own type,
    empty where the answer is whole.

    `left`: it went on talking, so we left. Seconds are as a client sees them.
    """

    parts: Sequence[Text | Reasoning | ToolCall] = ()
    finish: Finish | None = None
    usage: Usage | None = None
    error: str = ""
    left: bool = False
    first_seconds: float = 0.0
    seconds: float = 0.0
    repairs: int = 0

    @property
    def text(self) -> str:
        """What it said."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def calls(self) -> list[ToolCall]:
        """What it called."""
        return [part for part in self.parts if isinstance(part, ToolCall)]

    @property
    def leaks(self) -> bool:
        """A call that stands in a text or a thought, where no program looks for it."""
        said = (part.text for part in self.parts if not isinstance(part, ToolCall))
        return any(marker in text for text in said for marker in MARKERS)


def broken(heard: Heard) -> str:
    """Why there is no answer to judge."""
    return f"no answer: {heard.error}" if heard.error else ""


def called(
    heard: Heard, expected: Sequence[tuple[str, Mapping[str, Any]]], *, tools: Sequence[Any]
) -> str:
    """Whether these calls were made, each once, with arguments that fit their schema and hold
    what was expected.
    """
    if why := broken(heard):
        return why
    calls = heard.calls
    if heard.leaks:
        return LEAKED
    if not calls:
        return TALKED
    if len(calls) != len(expected):
        return f"{len(calls)} calls instead of {len(expected)}"
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}
    unfits = [why for call in calls if (why := unfit(call, schemas))]
    return unfits[0] if unfits else unmatched(calls, expected)


def unmatched(calls: Sequence[ToolCall], expected: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Whether each call is one of those that were expected, and none comes twice."""
    left = list(expected)
    for call in calls:
        match = next((one for one in left if matches(call, one)), None)
        if match is None:
            return "called another tool, or with other values"
        left.remove(match)
    return ""


def unfit(call: ToolCall, schemas: Mapping[str, Any]) -> str:
    """What is wrong with a call, whatever was asked for."""
    if call.name not in schemas:
        return "called a tool that does not exist"
    found = arguments(call)
    if found is None:
        return "its arguments are not JSON"
    return "its arguments do not fit the schema" if problems(found, schemas[call.name]) else ""


def arguments(call: ToolCall) -> dict[str, Any] | None:
    """A call's arguments; None where they are no JSON object."""
    try:
        return msgspec.json.decode(call.arguments, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None


def matches(call: ToolCall, expected: tuple[str, Mapping[str, Any]]) -> bool:
    """The tool, and in each named argument the text that was expected (`./` before a path is the
    same path).
    """
    name, wanted = expected
    found = arguments(call) or {}
    return call.name == name and all(
        text in str(found.get(key, "")).removeprefix("./") for key, text in wanted.items()
    )
