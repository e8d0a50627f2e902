"""Anthropic answers that come in one piece."""

from __future__ import annotations

from typing import Any

import msgspec

from twotier.domain.message import (
    Observed,
    Reasoning,
    Request,
    Text,
    ToolCall,
    Usage,
    Whole,
    utf8_bytes,
)
from twotier.errors import StreamBrokenError, UpstreamError
from twotier.protocols.anthropic_messages.ids import message_id, valid_id
from twotier.protocols.anthropic_messages.message import (
    FINISH_READ,
    Answer,
    Block,
    arguments_object,
)
from twotier.protocols.anthropic_messages.usage import (
    estimated_input_tokens,
    estimated_output_tokens,
    stop_fields,
    usage_object,
)
from twotier.protocols.wire import no_calls, read_upstream_json

_ANSWER = msgspec.json.Decoder(Answer)
_encode = msgspec.json.Encoder().encode


def read_whole(body: bytes, *, repaired: bool = False) -> Whole:
    """An answer in neutral form. `repaired` as in `StreamReader`.

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
    called = any(isinstance(part, ToolCall) for part in parts)
    if finish == "tool_calls" and not (called or repaired):
        raise StreamBrokenError(no_calls().message)
    usage = answer.usage.neutral() if answer.usage else None
    stop_sequence = answer.stop_sequence or ""
    return Whole(answer.id, answer.model, parts, finish, usage, stop_sequence)


def _part(block: Block) -> Text | Reasoning | ToolCall | None:
    match block.type:
        case "text":
            return Text(block.text) if block.text else None
        case "thinking":
            return Reasoning(block.thinking, block.signature or "")
        case "tool_use":
            return ToolCall(block.id, block.name, _encode(block.input or {}).decode())
        case "redacted_thinking":
            return Reasoning("", hidden=block.data)
        case _:  # tools of Anthropic's own: nothing another dialect could show
            return None


def observe_whole(body: bytes, *, repaired: bool = False) -> Observed:
    """What the ledger keeps of a relayed answer. Raises as `read_whole`."""
    whole = read_whole(body, repaired=repaired)
    calls = [part for part in whole.parts if isinstance(part, ToolCall)]
    return Observed(
        id=whole.id,
        model=whole.model,
        usage=whole.usage,
        usage_final=whole.usage is not None,
        output_bytes=_written_bytes(whole),
        tool_calls=len(calls),
        finish=whole.finish,
        closed=True,
        content=bool(whole.parts),
        tool_names=[call.name for call in calls],
    )


def _written_bytes(whole: Whole) -> int:
    """The bytes of everything the model wrote."""
    texts = (part.arguments if isinstance(part, ToolCall) else part.text for part in whole.parts)
    return sum(map(utf8_bytes, texts))


def write_whole(whole: Whole, *, created: int, request: Request) -> bytes:  # noqa: ARG001 - this dialect has no dates
    """An answer for a client."""
    usage = whole.usage
    if usage is None:
        usage = Usage(
            estimated_input_tokens(request), estimated_output_tokens(_written_bytes(whole))
        )
    message = {
        "id": message_id(whole.id),
        "type": "message",
        "role": "assistant",
        "model": whole.model,
        "content": [_block(part) for part in whole.parts if not _blank(part)],
        **stop_fields(whole.finish, whole.stop_sequence),
        "usage": usage_object(usage),
    }
    return _encode(message)


def _blank(part: Text | Reasoning | ToolCall) -> bool:
    """The API takes no text of blanks alone back, and small models write some."""
    return isinstance(part, Text) and not part.text.strip()


def _block(part: Text | Reasoning | ToolCall) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    if isinstance(part, ToolCall):
        return {
            "type": "tool_use",
            "id": valid_id(part.id),
            "name": part.name,
            "input": arguments_object(part.arguments),
        }
    if part.hidden:
        return {"type": "redacted_thinking", "data": part.hidden}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}
