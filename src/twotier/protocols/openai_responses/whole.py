"""Responses answers that come in one piece."""

from __future__ import annotations

import msgspec

from twotier.domain.message import (
    Observed,
    Reasoning,
    Request,
    Text,
    ToolCall,
    Whole,
    utf8_bytes,
)
from twotier.errors import StreamBrokenError, UpstreamError
from twotier.protocols.openai_responses.answer import Answer
from twotier.protocols.openai_responses.response import CALLS, Item, Response
from twotier.protocols.wire import read_upstream_json

_ANSWER = msgspec.json.Decoder(Response)
_encode = msgspec.json.Encoder().encode
_NOTHING = (Text(""), Reasoning(""))
_FINISHED = (None, "completed", "incomplete")


def read_whole(body: bytes) -> Whole:
    """An answer in neutral form.

    Raises `StreamBrokenError` for what is no whole answer, `UpstreamError` for an error under 200.
    """
    answer = read_upstream_json(_ANSWER, body, what="an answer")
    failure = answer.failure()
    if failure is not None:
        raise UpstreamError(
            failure.message,
            upstream_status=failure.status,
            upstream_kind=failure.kind,
            started=True,
        )
    if answer.output is None or answer.status not in _FINISHED:
        raise StreamBrokenError(
            "the upstream's answer has no output or is not finished; ask again, "
            "and see the log of its server if this repeats"
        )
    parts = tuple(part for item in answer.output for part in _parts(item))
    calls = any(isinstance(part, ToolCall) for part in parts)
    finish = answer.finish(cut=False, calls=calls)
    usage = answer.metered()
    return Whole(answer.id or "", answer.model or "", parts, finish, usage)


def _parts(item: Item) -> tuple[Text | Reasoning | ToolCall, ...]:
    """What an item holds; nothing of what hosted tools left."""
    if item.type in CALLS:
        return (item.call(),)
    if item.type == "message":
        return (Text(item.text),)
    return item.thinking() if item.type == "reasoning" else ()


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


def write_whole(whole: Whole, *, created: int, request: Request) -> bytes:
    """An answer for a client. `created` is Unix time in seconds."""
    answer = Answer(whole.id, model=whole.model, created=created, request=request)
    parts = [part for part in whole.parts if part not in _NOTHING]
    last = len(parts) - 1
    output = [
        answer.item(part, at, cut=whole.finish == "length" and at == last)
        for at, part in enumerate(parts)
    ]
    return _encode(answer.ended(whole.finish, output, usage=whole.usage))
