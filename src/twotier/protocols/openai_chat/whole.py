"""Chat Completions answers that come in one piece."""

from __future__ import annotations

from typing import Any

import msgspec

from twotier.domain.message import (
    Finish,
    Observed,
    Reasoning,
    Text,
    ToolCall,
    Whole,
    utf8_bytes,
)
from twotier.errors import StreamBrokenError, UpstreamError
from twotier.protocols.openai_chat.chunk import FINISH_READ, FINISH_WRITTEN, Chunk, Delta, no_calls
from twotier.protocols.openai_chat.writer import usage_object
from twotier.protocols.wire import read_upstream_json

_WHOLE = msgspec.json.Decoder(Chunk)
_encode = msgspec.json.Encoder().encode


def _read(body: bytes) -> tuple[Chunk, Delta, Finish]:
    """The answer, its message and its finish.

    Raises `StreamBrokenError` for what is no whole answer, `UpstreamError` for an error under 200.
    """
    answer = read_upstream_json(_WHOLE, body, what="an answer")
    failure = answer.failure()
    if failure is not None:
        raise UpstreamError(
            failure.message,
            upstream_status=failure.status,
            upstream_kind=failure.kind,
            started=True,
        )
    message = answer.choices[0].message if answer.choices else None
    reason = answer.choices[0].finish_reason if answer.choices else None
    if message is None or not reason:
        raise StreamBrokenError(
            "the upstream's answer has no finished choice; ask again, "
            "and see the log of its server if this repeats"
        )
    finish = FINISH_READ.get(reason, "stop")
    if finish == "tool_calls" and not message.tool_calls:
        raise StreamBrokenError(no_calls().message)
    return answer, message, "tool_calls" if finish == "stop" and message.tool_calls else finish


def read_whole(body: bytes) -> Whole:
    """An answer in neutral form. Raises as `_read` says."""
    answer, message, finish = _read(body)
    parts: list[Text | Reasoning | ToolCall] = []
    thinking = message.reasoning_content or message.reasoning
    if thinking:
        parts.append(Reasoning(thinking))
    text = message.content or message.refusal
    if text:
        parts.append(Text(text))
    for number, call in enumerate(message.tool_calls or ()):
        function = call.function
        if function is None or not function.name:
            raise StreamBrokenError(no_calls().message)
        id_ = call.id or f"call_{answer.id or ''}_{number}"
        parts.append(ToolCall(id_, function.name, function.text()))
    usage = answer.usage.neutral() if answer.usage else None
    return Whole(answer.id or "", answer.model or "", tuple(parts), finish, usage)


def observe_whole(body: bytes) -> Observed:
    """What the ledger keeps of a relayed answer. Raises as `read_whole`."""
    answer, message, finish = _read(body)
    calls = message.tool_calls or ()
    names = [(call.function and call.function.name) or "" for call in calls]
    if not all(names):
        raise StreamBrokenError(no_calls().message)
    texts = [message.content, message.reasoning_content or message.reasoning, message.refusal]
    texts += [call.function.text() for call in calls if call.function]
    return Observed(
        id=answer.id or "",
        model=answer.model or "",
        usage=answer.usage.neutral() if answer.usage else None,
        usage_final=answer.usage is not None,
        output_bytes=sum(utf8_bytes(text) for text in texts if text),
        tool_calls=len(calls),
        finish=finish,
        closed=True,
        content=bool(calls) or any(texts),
        tool_names=names,
    )


def write_whole(whole: Whole, *, created: int) -> bytes:
    """An answer for a client. `created` is Unix time in seconds."""
    text = "".join(part.text for part in whole.parts if isinstance(part, Text))
    thinking = "".join(part.text for part in whole.parts if isinstance(part, Reasoning))
    calls = [_call(part) for part in whole.parts if isinstance(part, ToolCall)]
    message: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else "")}
    if thinking:
        message["reasoning_content"] = thinking
    if calls:
        message["tool_calls"] = calls
    finish = FINISH_WRITTEN[whole.finish]
    answer: dict[str, Any] = {
        "id": whole.id,
        "object": "chat.completion",
        "created": created,
        "model": whole.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
    }
    # A missing usage is left out rather than written as zeros: nobody counted it.
    if whole.usage is not None:
        answer["usage"] = usage_object(whole.usage)
    return _encode(answer)


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}
