"""The typed pieces of Anthropic's answers that streams and whole answers share.

Source: https://platform.claude.com/docs/en/api/messages and .../build-with-claude/streaming, and
the types of the official SDK.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from twotier.domain.message import Failed, Finish, Usage
from twotier.domain.price import STANDARD
from twotier.protocols.wire import shortened

FINISH_READ: dict[str, Finish] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",  # a server tool's turn that wants to be continued: not finished
    "tool_use": "tool_calls",
    "compaction": "length",  # the same: its summary goes back with the next request
    "refusal": "refusal",
}
FINISH_WRITTEN: dict[Finish, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
}
STATUS_BY_KIND = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class CacheCreation(msgspec.Struct):
    """Cache writes by time to live; the 5-minute ones are the rest."""

    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    """What is known of the output tokens."""

    thinking_tokens: int | None = None


class ServerTools(msgspec.Struct):
    """How often the API's own tools were used; `web_search` alone has a price for each use."""

    web_search_requests: int | None = None
    web_fetch_requests: int | None = None

    def uses(self) -> tuple[tuple[str, int], ...]:
        """Those that were used at all, by name."""
        counted = (("web_search", self.web_search_requests), ("web_fetch", self.web_fetch_requests))
        return tuple((name, count) for name, count in counted if count)


class Iteration(msgspec.Struct):
    """One sampling of several that made the answer."""

    type: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None


class UsageIn(msgspec.Struct):
    """Usage as the API counts it: fresh, read and written input stand apart. Cumulative."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use: ServerTools | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    iterations: list[Iteration] | None = None

    def merged(self, later: UsageIn) -> UsageIn:
        """This one, with every figure that `later` names replaced by its own."""
        named = {
            field: value
            for field in UsageIn.__struct_fields__
            if (value := getattr(later, field)) is not None
        }
        return msgspec.structs.replace(self, **named)

    def neutral(self) -> Usage:
        """All of it. What it took to sum up a long context is charged and not in the figures above
        it, so it is added here.
        """
        details = self.output_tokens_details
        usage = Usage(
            *_counted(self),
            reasoning_tokens=(details and details.thinking_tokens) or 0,
            uses=self.server_tool_use.uses() if self.server_tool_use else (),
            mode=self._mode(),
            place=self.inference_geo or "",
        )
        for iteration in self.iterations or ():
            if iteration.type == "compaction":
                usage = _plus(usage, iteration)
        return usage

    def _mode(self) -> str:
        """`priority` is capacity that was bought ahead, at the usual price."""
        if self.service_tier == "batch":
            return "batch"
        return self.speed if self.speed in ("fast", STANDARD) else ""


def _counted(said: UsageIn | Iteration) -> tuple[int, int, int, int, int]:
    """Input, output, read, written and written for an hour. The last is a part of
    `cache_creation_input_tokens`, at its own price.
    """
    written = said.cache_creation_input_tokens or 0
    written_1h = (said.cache_creation and said.cache_creation.ephemeral_1h_input_tokens) or 0
    return (
        said.input_tokens or 0,
        said.output_tokens or 0,
        said.cache_read_input_tokens or 0,
        max(0, written - written_1h),
        written_1h,
    )


def _plus(usage: Usage, iteration: Iteration) -> Usage:
    fresh, output, read, written, written_1h = _counted(iteration)
    return msgspec.structs.replace(
        usage,
        input_tokens=usage.input_tokens + fresh,
        output_tokens=usage.output_tokens + output,
        cache_read_tokens=usage.cache_read_tokens + read,
        cache_write_tokens=usage.cache_write_tokens + written,
        cache_write_1h_tokens=usage.cache_write_1h_tokens + written_1h,
    )


class Block(msgspec.Struct):
    """A content block, whole or as it starts. Kinds we did not ask for have only a type."""

    type: str
    text: str = ""
    thinking: str = ""
    signature: str | None = None
    data: str = ""
    id: str = ""
    name: str = ""
    input: dict[str, Any] | None = None


class Answer(msgspec.Struct):
    """A whole message, or the head of one in `message_start`; or an error under 200."""

    id: str = ""
    model: str = ""
    type: str = ""
    content: list[Block] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: UsageIn | None = None
    error: ErrorIn | None = None


class ErrorIn(msgspec.Struct):
    """An error object."""

    type: str = "api_error"
    message: str = ""

    def failed(self) -> Failed:
        """It as an event; the status is the one this type has outside of streams."""
        text = shortened(self.message) or "the API reported an error without a message"
        return Failed(text, self.type, STATUS_BY_KIND.get(self.type, 500))


_ARGUMENTS = msgspec.json.Decoder(dict[str, Any])


def arguments_object(arguments: str) -> Mapping[str, Any]:
    """The arguments of a call as the object they must be here.

    A model that was cut off, or a small one, leaves arguments that are no JSON. They must not make
    a whole conversation unsayable, so they are shown as they were.
    """
    if not arguments.strip():
        return {}
    try:
        return _ARGUMENTS.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return {"unparsed": arguments}
