"""The typed pieces of Chat Completions answers that streams and whole answers share."""

from __future__ import annotations

from typing import Any

import msgspec

from twotier.domain.message import Finish
from twotier.protocols.openai_chat.details import DetailIn
from twotier.protocols.openai_wire import AnswerIn, ChoiceIn

_encode = msgspec.json.Encoder().encode

FINISH_READ: dict[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "refusal",
}
FINISH_WRITTEN: dict[Finish, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "refusal": "content_filter",
}


class FunctionPiece(msgspec.Struct):
    """The name, or more of the arguments."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None  # some servers send the object itself

    def text(self) -> str:
        """The arguments as JSON text."""
        if self.arguments is None or isinstance(self.arguments, str):
            return self.arguments or ""
        return _encode(self.arguments).decode()


class CustomPiece(msgspec.Struct):
    """The name of a custom tool, or more of its text."""

    name: str | None = None
    input: str | None = None


class CallPiece(msgspec.Struct):
    """A call, or a piece of one; of a function, or of a custom tool."""

    index: int | None = None
    id: str | None = None
    function: FunctionPiece | None = None
    custom: CustomPiece | None = None

    @property
    def name(self) -> str:
        """The tool it calls, empty while it is not said."""
        named = self.function or self.custom
        return (named and named.name) or ""


class Delta(msgspec.Struct):
    """A piece of an answer, or the message of a whole one: the fields are the same."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None  # mlx-lm, and others after it
    reasoning_details: list[DetailIn] | None = None
    refusal: str | None = None
    tool_calls: list[CallPiece] | None = None
    function_call: FunctionPiece | None = None  # the old form, for clients that ask in it

    def calls(self) -> list[CallPiece]:
        """The calls, or the pieces of them."""
        if self.function_call is not None:
            return [CallPiece(index=0, function=self.function_call)]
        return self.tool_calls or []


class Choice(ChoiceIn):
    """One choice; we only ever ask for one."""

    delta: Delta | None = None
    message: Delta | None = None


class Chunk(AnswerIn):
    """A chunk or a whole answer."""

    choices: list[Choice] | None = None
