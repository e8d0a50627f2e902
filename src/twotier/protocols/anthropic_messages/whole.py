"""Anthropic answers that come in one piece, and errors in Anthropic's shape."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from twotier.domain.message import Observed, Reasoning, Text, ToolCall, Whole, utf8_bytes
from twotier.errors import StreamBrokenError, UpstreamError
from twotier.protocols.anthropic_messages.message import FINISH_READ, Answer, Block, no_calls
from twotier.protocols.wire import read_error_body, read_upstream_json, retry_after_seconds

_ANSWER = msgspec.json.Decoder(Answer)
_encode = msgspec.json.Encoder().encode


def read_whole(body: bytes) -> Whole:
    """An answer in neutral form.

    Raises `StreamBrokenError` for what is no whole answer, `UpstreamError` for an error under 200.
    """
    answer = read_upstream_json(_ANSWER, body, what="an answer")
    if answer.error is not None:
        failure = answer.error.failed()
        raise UpstreamError(
            failure.message,
            upstream_status=failure.status,
            upstream_kind=failure.kind,
            started=True,
        )
    if answer.content is None or not answer.stop_reason:
        raise StreamBrokenError("the upstream's answer has no content or no stop_reason; ask again")
    parts = tuple(part for block in answer.content if (part := _part(block)) is not None)
    finish = FINISH_READ.get(answer.stop_reason, "stop")
    if finish == "tool_calls" and not any(isinstance(part, ToolCall) for part in parts):
        raise StreamBrokenError(no_calls().message)
    usage = answer.usage.neutral() if answer.usage else None
    return Whole(answer.id, answer.model, parts, finish, usage)


def _part(block: Block) -> Text | Reasoning | ToolCall | None:
    match block.type:
        case "text":
            return Text(block.text) if block.text else None
        case "thinking":
            return Reasoning(block.thinking, block.signature or "")
        case "tool_use":
            return ToolCall(block.id, block.name, _encode(block.input or {}).decode())
        case _:  # redacted thinking and server tools: nothing we could show
            return None


def observe_whole(body: bytes) -> Observed:
    """What the ledger keeps of a relayed answer. Raises as `read_whole`."""
    whole = read_whole(body)
    calls = [part for part in whole.parts if isinstance(part, ToolCall)]
    texts = [part.arguments if isinstance(part, ToolCall) else part.text for part in whole.parts]
    return Observed(
        id=whole.id,
        model=whole.model,
        usage=whole.usage,
        usage_final=whole.usage is not None,
        output_bytes=sum(map(utf8_bytes, texts)),
        tool_calls=len(calls),
        finish=whole.finish,
        closed=True,
        content=bool(whole.parts),
        tool_names=[call.name for call in calls],
    )


def read_error(status: int, body: bytes, *, headers: Mapping[str, str]) -> UpstreamError:
    """A reply without a 2xx status as an error; 529 stays 529. Header names are in lower case.

    The request id goes into the message, because support asks for it. A 500, 502 or 504 without an
    error body comes from something in between, and then the work may have begun (`started`).
    """
    found = read_error_body(body)
    message = found.message if found and found.message else "it gave no reason in JSON"
    request_id = headers.get("request-id", "")
    return UpstreamError(
        f"Anthropic answered {status}: {message}" + (f" ({request_id})" if request_id else ""),
        upstream_status=status,
        upstream_kind=(found.type if found else None) or _kind(status),
        retry_after_seconds=retry_after_seconds(headers),
        started=found is None and status in {500, 502, 504},
    )


def _kind(status: int) -> str:
    """The type that belongs to a status, for replies that do not name it."""
    return {429: "rate_limit_error", 529: "overloaded_error"}.get(status, "api_error")
