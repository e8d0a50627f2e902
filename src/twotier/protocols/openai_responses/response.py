"""The typed pieces of Responses answers that streams and whole answers share.

Servers other than OpenAI leave much out (llama.cpp has no numbers in its events and counts no
cached tokens in some answers), so nearly nothing is required here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from twotier.domain.message import Failed, Finish, Reasoning, ToolCall, Usage
from twotier.protocols.asked import mode_of
from twotier.protocols.freeform import wrapped
from twotier.protocols.openai_responses.sealed import of_openai, opened
from twotier.protocols.openai_responses.tools import joined
from twotier.protocols.openai_wire import failed
from twotier.protocols.wire import ErrorFields

CALLS = frozenset({"function_call", "custom_tool_call"})
_REASONS: dict[str, Finish] = {"content_filter": "refusal"}


class _WrittenDetails(msgspec.Struct):
    ttl_12h_tokens: int | None = None


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_tokens_details: _WrittenDetails | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class UsageIn(msgspec.Struct):
    """The usage object."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None

    def neutral(self) -> Usage:
        """Every figure alone: OpenAI counts cached tokens inside `input_tokens`."""
        prompt = self.input_tokens_details
        written = (prompt and prompt.cache_write_tokens) or 0
        lives = prompt and prompt.cache_write_tokens_details
        written_long = min(written, (lives and lives.ttl_12h_tokens) or 0)
        read = (prompt and prompt.cached_tokens) or 0
        details = self.output_tokens_details
        return Usage(
            input_tokens=max(0, (self.input_tokens or 0) - read - written),
            output_tokens=self.output_tokens or 0,
            cache_read_tokens=read,
            cache_write_tokens=written - written_long,
            cache_write_1h_tokens=written_long,
            reasoning_tokens=(details and details.reasoning_tokens) or 0,
        )


class _Part(msgspec.Struct):
    text: str | None = None
    refusal: str | None = None


class Item(msgspec.Struct):
    """An output item of any type; what hosted tools leave is not looked into."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: Any = None
    input: Any = None
    content: list[_Part] | None = None
    summary: list[_Part] | None = None
    encrypted_content: str | None = None
    container_id: str | None = None
    action: Any = None

    @property
    def text(self) -> str:
        """The text of a message."""
        return "".join(part.text or part.refusal or "" for part in self.content or ())

    @property
    def given(self) -> str:
        """What a call was given: JSON, or the text of a custom tool."""
        given = self.input if self.type == "custom_tool_call" else self.arguments
        if given is None or isinstance(given, str):
            return given or ""
        return msgspec.json.encode(given).decode()  # some servers send the object itself

    def call(self) -> ToolCall:
        """A call."""
        id_, name = self.call_id or self.id or "", joined(self.namespace, self.name or "")
        if self.type == "custom_tool_call":
            return ToolCall(id_, name, wrapped(self.given), freeform=True)
        return ToolCall(id_, name, self.given)

    def thinking(self) -> tuple[Reasoning, ...]:
        """Thinking: what can be read of it, and apart from it what OpenAI encrypted, which goes
        back to it as it came.
        """
        summary = "\n\n".join(part.text for part in self.summary or () if part.text)
        raw = "".join(part.text for part in self.content or () if part.text)
        part, foreign = opened(summary + raw, self.encrypted_content)
        shown = () if part == Reasoning("") else (part,)
        return (*shown, Reasoning("", hidden=foreign)) if of_openai(foreign) else shown


def _uses(items: Sequence[Item]) -> Iterator[tuple[str, int]]:
    """How often each hosted tool that has a price was used. To open a page is no search."""
    searches = [item for item in items if item.type == "web_search_call" and _searched(item.action)]
    looked_up = [item for item in items if item.type == "file_search_call"]
    containers = {item.container_id for item in items if item.type == "code_interpreter_call"}
    counted = (
        ("web_search", len(searches)),
        ("file_search", len(looked_up)),
        ("code_interpreter", len(containers)),
    )
    return ((name, count) for name, count in counted if count)


def _searched(action: object) -> bool:
    kind = action.get("type") if isinstance(action, dict) else None
    return kind not in ("open_page", "find_in_page")


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class Response(msgspec.Struct):
    """A response object, or what a server calls so."""

    id: str | None = None
    model: str | None = None
    created_at: float | None = None
    status: str | None = None
    output: list[Item] | None = None
    usage: UsageIn | None = None
    service_tier: Any = None
    incomplete_details: _Incomplete | None = None
    error: ErrorFields | str | None = None

    def metered(self) -> Usage | None:
        """What was used, hosted tools by the items they left."""
        if self.usage is None:
            return None
        mode, uses = mode_of(self.service_tier), tuple(_uses(self.output or ()))
        return msgspec.structs.replace(self.usage.neutral(), mode=mode, uses=uses)

    def failure(self) -> Failed | None:
        """The error this object is, if it is one."""
        if self.error is not None:
            return failed_by(self.error)
        if self.status in ("failed", "cancelled"):
            return failed(f"the upstream's answer was {self.status}")
        return None

    def finish(self, *, cut: bool, calls: bool) -> Finish:
        """Why it ended; `cut` is what the event said that brought it."""
        if cut or self.status == "incomplete" or self.incomplete_details is not None:
            reason = self.incomplete_details and self.incomplete_details.reason
            return _REASONS.get(reason or "", "length")
        return "tool_calls" if calls else "stop"


def failed_by(error: ErrorFields | str) -> Failed:
    """An error object as an event."""
    if isinstance(error, str):
        return failed(error)
    # Most errors inside this dialect's streams have a code and no type.
    code = error.code if isinstance(error.code, str) else None
    return failed(error.message, kind=error.type or code, code=error.code)
