"""The typed pieces of Chat Completions answers that streams and whole answers share."""

from __future__ import annotations

from typing import Any

import msgspec

from twotier.domain.message import Failed, Finish, Usage
from twotier.protocols.wire import ErrorFields, shortened

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
_STATUS_BY_KIND = {
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "invalid_request_error": 400,
    "authentication_error": 401,
    "overloaded_error": 529,
    "server_overloaded": 503,
}


class PromptDetails(msgspec.Struct):
    """What is known of the prompt tokens."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(msgspec.Struct):
    """What is known of the completion tokens."""

    reasoning_tokens: int | None = None


class UsageIn(msgspec.Struct):
    """The usage object; servers leave out what they do not count."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None

    def neutral(self) -> Usage:
        """Every figure alone: OpenAI counts cached tokens inside `prompt_tokens`."""
        prompt = self.prompt_tokens_details
        written = (prompt and prompt.cache_write_tokens) or 0
        read = (prompt and prompt.cached_tokens) or 0
        details = self.completion_tokens_details
        return Usage(
            input_tokens=max(0, (self.prompt_tokens or 0) - read - written),
            output_tokens=self.completion_tokens or 0,
            cache_read_tokens=read,
            cache_write_tokens=written,
            reasoning_tokens=(details and details.reasoning_tokens) or 0,
        )


class FunctionPiece(msgspec.Struct):
    """The name, or more of the arguments."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None  # some servers send the object itself

    def text(self) -> str:
        """The arguments as JSON text."""
        if self.arguments is None or isinstance(self.arguments, str):
            return self.arguments or ""
        return _encode(self.arguments).decode()


class CallPiece(msgspec.Struct):
    """A call, or a piece of one."""

    index: int | None = None
    id: str | None = None
    function: FunctionPiece | None = None


class Delta(msgspec.Struct):
    """A piece of an answer, or the message of a whole one: the fields are the same."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None  # mlx-lm, and others after it
    refusal: str | None = None
    tool_calls: list[CallPiece] | None = None


class Choice(msgspec.Struct):
    """One choice; we only ever ask for one."""

    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None


class Chunk(msgspec.Struct):
    """A chunk or a whole answer. `object` and `message` are read for vLLM's form of an error."""

    id: str | None = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: UsageIn | None = None
    error: ErrorFields | str | None = None
    object: str | None = None
    message: str | None = None

    def failure(self) -> Failed | None:
        """The error this object is, if it is one."""
        if self.error is None:
            return failed(self.message or "") if self.object == "error" else None
        if isinstance(self.error, str):
            return failed(self.error)
        return failed(self.error.message, kind=self.error.type, code=self.error.code)


def failed(message: str, *, kind: str | None = None, code: str | int | None = None) -> Failed:
    """An error object as an event. A numeric `code` is a status (llama.cpp, OpenRouter)."""
    if isinstance(code, int) and 400 <= code <= 599:
        status = code
    else:
        status = _STATUS_BY_KIND.get(kind or "", _STATUS_BY_KIND.get(str(code), 502))
    text = shortened(message) or "the upstream reported an error without a message"
    return Failed(text, kind or "api_error", status)


def no_calls() -> Failed:
    """mlx-lm 0.32 ends so when the model's call could not be parsed: the text is lost, too."""
    return Failed(
        "the model ended with tool_calls but no call could be read; ask again, or another tier",
        "tool_calls_missing",
        502,
    )
