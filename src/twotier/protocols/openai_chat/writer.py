"""Events written as a Chat Completions stream: one chunk for each event that says something."""

from __future__ import annotations

from typing import Any

import msgspec

from twotier.domain.message import (
    Closed,
    Ended,
    Event,
    Failed,
    Metered,
    Progress,
    ReasoningDelta,
    TextDelta,
    ToolCallBegan,
    ToolCallDelta,
    Usage,
)
from twotier.errors import TwotierError
from twotier.protocols.openai_chat.chunk import FINISH_WRITTEN
from twotier.protocols.openai_chat.failure import error_object, write_error
from twotier.protocols.sse import encode, encode_comment

_encode = msgspec.json.Encoder().encode


class StreamWriter:
    """Writes one answer. `created` is Unix time in seconds, handed in by the caller.

    The usage chunk is written only for clients that asked for it (`include_usage`), between the
    last choice and `[DONE]`, as OpenAI does. After an error there is no `[DONE]`.
    """

    def __init__(self, id: str, *, model: str, created: int, include_usage: bool) -> None:  # noqa: A002 - the wire's own word
        self._head = {"id": id, "object": "chat.completion.chunk", "created": created}
        self._head["model"] = model
        self._include_usage = include_usage
        self._usage: Usage | None = None
        self._opened = False

    def write(self, event: Event) -> bytes:  # noqa: PLR0911 - one return for each kind of event
        """The bytes for one event, `b""` if this dialect has nothing to say of it."""
        match event:
            case TextDelta(text=text) if text:
                return self._delta({"content": text})
            case ReasoningDelta(text=text) if text:
                return self._delta({"reasoning_content": text})
            case ToolCallDelta(index=index, arguments=arguments) if arguments:
                return self._delta(_call({"index": index}, arguments=arguments))
            case ToolCallBegan(index=index, id=id_, name=name):
                head = {"index": index, "id": id_, "type": "function"}
                return self._delta(_call(head, name=name, arguments=""))
            case Metered(usage=usage):
                self._usage = usage
                return b""
            case Ended(finish=finish):
                return self._delta({}, FINISH_WRITTEN[finish])
            case Progress(done=done, total=total):
                return encode_comment(f"keepalive {done}/{total}" if total else "keepalive")
            case Failed(message=message, kind=kind, status=status):
                return encode(_encode(error_object(message, kind=kind, code=str(status))))
            case Closed():
                return self._closing()
            case _:
                return b""

    def error(self, error: TwotierError) -> bytes:
        """The end of a stream that failed: an error object, which SDKs raise."""
        return encode(write_error(error))

    def _delta(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        if not self._opened:
            self._opened = True
            delta = {"role": "assistant", **delta}
        return self._chunk([{"index": 0, "delta": delta, "finish_reason": finish}])

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return encode(_encode({**self._head, "choices": choices, **more}))

    def _closing(self) -> bytes:
        done = encode(b"[DONE]")
        if self._include_usage and self._usage is not None:
            return self._chunk([], usage=usage_object(self._usage)) + done
        return done


def _call(head: dict[str, Any], **function: str) -> dict[str, Any]:
    return {"tool_calls": [{**head, "function": function}]}


def usage_object(usage: Usage) -> dict[str, Any]:
    """Usage in OpenAI's arithmetic: cached tokens are a part of `prompt_tokens`."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.prompt_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens + usage.cache_write_1h_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
