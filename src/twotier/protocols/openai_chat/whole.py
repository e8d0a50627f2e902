"""Chat Completions answers that come in one piece."""

from __future__ import annotations

from typing import Any

import msgspec

from twotier.domain.message import (
    Finish,
    Observed,
    Reasoning,
    Request,
    Text,
    ToolCall,
    Whole,
    utf8_bytes,
)
from twotier.errors import StreamBrokenError
from twotier.protocols.freeform import freeform_names, unwrapped, wrapped
from twotier.protocols.openai_chat.chunk import (
    FINISH_READ,
    FINISH_WRITTEN,
    CallPiece,
    Chunk,
    Delta,
)
from twotier.protocols.openai_chat.details import read_details, write_details
from twotier.protocols.openai_wire import usage_object
from twotier.protocols.wire import no_calls, read_upstream_json

_WHOLE = msgspec.json.Decoder(Chunk)
_encode = msgspec.json.Encoder().encode


def _read(body: bytes, *, repaired: bool) -> tuple[Chunk, Delta, Finish]:
    """The answer, its first choice's message and its finish. `repaired` as in `StreamReader`.

    Raises `StreamBrokenError` for what is no whole answer, `UpstreamError` for an error under 200.
    """
    answer = read_upstream_json(_WHOLE, body, what="an answer")
    answer.check()
    message = answer.choices[0].message if answer.choices else None
    reason = answer.choices[0].finish_reason if answer.choices else None
    if message is None or not reason:
        raise StreamBrokenError(
            "the upstream's answer has no finished choice; ask again, "
            "and see the log of its server if this repeats"
        )
    finish = FINISH_READ.get(reason, "stop")
    if finish == "tool_calls" and not (message.calls() or repaired):
        raise StreamBrokenError(no_calls().message)
    return answer, message, "tool_calls" if finish == "stop" and message.calls() else finish


def read_whole(body: bytes, *, repaired: bool = False) -> Whole:
    """An answer in neutral form. Raises as `_read` says."""
    answer, message, finish = _read(body, repaired=repaired)
    thinking = message.reasoning_content or message.reasoning or ""
    parts: list[Text | Reasoning | ToolCall] = [*read_details(message.reasoning_details, thinking)]
    text = message.content or message.refusal
    if text:
        parts.append(Text(text))
    for number, call in enumerate(message.calls()):
        parts.append(_read_call(call, call.id or f"call_{answer.id or ''}_{number}"))
    usage = answer.metered()
    stop_sequence = answer.choices[0].stop_sequence if answer.choices else ""
    return Whole(answer.id or "", answer.model or "", tuple(parts), finish, usage, stop_sequence)


def _read_call(call: CallPiece, id_: str) -> ToolCall:
    if not call.name:
        raise StreamBrokenError(no_calls().message)
    if call.custom is not None:
        return ToolCall(id_, call.name, wrapped(call.custom.input or ""), freeform=True)
    return ToolCall(id_, call.name, call.function.text() if call.function else "")


def observe_whole(body: bytes, *, repaired: bool = False) -> Observed:
    """What the ledger keeps of a relayed answer. Raises as `read_whole`."""
    answer, message, finish = _read(body, repaired=repaired)
    texts = [message.content, message.reasoning_content or message.reasoning, message.refusal]
    names: list[str] = []
    if calls := message.calls():
        names = [call.name for call in calls]
        texts += [call.function.text() for call in calls if call.function]
        texts += [call.custom.input for call in calls if call.custom]
    if not all(names):
        raise StreamBrokenError(no_calls().message)
    return Observed(
        id=answer.id or "",
        model=answer.model or "",
        usage=answer.metered(),
        usage_final=answer.usage is not None,
        output_bytes=sum(utf8_bytes(text) for text in texts if text),
        tool_calls=len(calls),
        finish=finish,
        closed=True,
        content=bool(calls) or any(texts),
        tool_names=names,
        timing=answer.timing(),
    )


def write_whole(whole: Whole, *, created: int, request: Request) -> bytes:
    """An answer for a client. `created` is Unix time in seconds."""
    answer: dict[str, Any] = {
        "id": whole.id,
        "object": "chat.completion",
        "created": created,
        "model": whole.model,
        "choices": [_choice(whole, freeform_names(request.body))],
    }
    # A missing usage is left out rather than written as zeros: nobody counted it.
    if whole.usage is not None:
        answer["usage"] = usage_object(whole.usage)
    return _encode(answer)


def _choice(whole: Whole, freeform: frozenset[str]) -> dict[str, Any]:
    finish = FINISH_WRITTEN[whole.finish]
    choice = {"index": 0, "message": _message(whole, freeform), "logprobs": None}
    choice["finish_reason"] = finish
    if whole.stop_sequence:
        choice["stop_reason"] = whole.stop_sequence
    return choice


def _message(whole: Whole, freeform: frozenset[str]) -> dict[str, Any]:
    text = "".join(part.text for part in whole.parts if isinstance(part, Text))
    thoughts = [part for part in whole.parts if isinstance(part, Reasoning)]
    thinking = "".join(part.text for part in thoughts)
    calls = [_call(part, freeform) for part in whole.parts if isinstance(part, ToolCall)]
    message: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else "")}
    if thinking:
        message["reasoning_content"] = thinking
    if details := write_details(thoughts):
        message["reasoning_details"] = details
    if calls:
        message["tool_calls"] = calls
    return message


def _call(call: ToolCall, freeform: frozenset[str]) -> dict[str, Any]:
    if call.freeform or call.name in freeform:
        custom = {"name": call.name, "input": unwrapped(call.arguments)}
        return {"id": call.id, "type": "custom", "custom": custom}
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}
