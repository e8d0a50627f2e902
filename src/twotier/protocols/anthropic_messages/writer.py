"""Events written as a Messages stream, in the order that accumulators of clients insist on.

`message_start` comes first. Every block is started, filled and stopped before the next one starts.
The reason to stop comes once, with the whole usage, and `message_stop` ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    Request,
    TextDelta,
    ToolCallBegan,
    ToolCallDelta,
    Usage,
    utf8_bytes,
)
from twotier.errors import StreamBrokenError, TwotierError
from twotier.protocols.anthropic_messages.failure import write_error, write_failed
from twotier.protocols.anthropic_messages.ids import message_id, valid_id
from twotier.protocols.anthropic_messages.usage import (
    estimated_input_tokens,
    estimated_output_tokens,
    stop_fields,
    usage_object,
)
from twotier.protocols.sse import encode

_encode = msgspec.json.Encoder().encode
_PING = encode(b'{"type":"ping"}', "ping")
_STOP = encode(b'{"type":"message_stop"}', "message_stop")
_TEXT = {"type": "text", "text": ""}
_THINKING = {"type": "thinking", "thinking": "", "signature": ""}


class StreamWriter:
    """Writes one answer.

    Most upstreams tell the tokens of the prompt at the end, and clients show how full their window
    is from the start on. So the start says an estimate, and the end what was counted.
    """

    def __init__(self, id: str, *, model: str, created: int, request: Request) -> None:  # noqa: A002, ARG002 - the wire's own word; this dialect has no dates
        self._id = message_id(id)
        self._model = model
        self._usage = Usage(input_tokens=estimated_input_tokens(request))
        self._metered = False
        self._output_bytes = 0
        self._opened = False
        self._index = -1  # of the block that was started last
        self._kind = ""  # of the block that is open
        self._blanks = ""  # that would begin a text
        self._call = -1  # the call whose block is open
        self._ended: Ended | None = None

    def write(self, event: Event) -> bytes:
        """The bytes for one event, `b""` if there is nothing to say yet."""
        if isinstance(event, Failed):
            return encode(write_failed(event), "error")
        if isinstance(event, Metered):
            self._usage, self._metered = event.usage, True
            return b""
        return self._start() + self._write(event)

    def error(self, error: TwotierError) -> bytes:
        """The end of a stream that failed: an error event, which SDKs raise."""
        return encode(write_error(error), "error")

    def _write(self, event: Event) -> bytes:  # noqa: PLR0911 - one return for each kind of event
        match event:
            case TextDelta(text=text) if text:
                return self._text(text)
            case ReasoningDelta():
                return self._think(event)
            case ToolCallBegan():
                return self._call_began(event)
            case ToolCallDelta(index=index, arguments=arguments) if arguments:
                return self._arguments(index, arguments)
            case Progress():
                return _PING
            case Ended():
                self._ended = event
                return self._stop_block()
            case Closed():
                return self._close()
            case _:
                return b""

    def _start(self) -> bytes:
        if self._opened:
            return b""
        self._opened = True
        message: dict[str, Any] = {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_object(self._usage),
        }
        return _event("message_start", message=message)

    def _in(self, kind: str, block: Mapping[str, Any]) -> bytes:
        """Start a block of this kind, unless one is open."""
        return b"" if self._kind == kind else self._start_block(kind, block)

    def _start_block(self, kind: str, block: Mapping[str, Any]) -> bytes:
        stop = self._stop_block()
        self._index += 1
        self._kind, self._blanks = kind, ""
        return stop + _event("content_block_start", index=self._index, content_block=block)

    def _stop_block(self) -> bytes:
        if not self._kind:
            return b""
        self._kind, self._call = "", -1
        return _event("content_block_stop", index=self._index)

    def _delta(self, kind: str, **fields: str) -> bytes:
        self._output_bytes += sum(map(utf8_bytes, fields.values()))
        return _event("content_block_delta", index=self._index, delta={"type": kind, **fields})

    def _text(self, text: str) -> bytes:
        """Blanks wait for the words behind them: the API takes no text of blanks alone back, and
        small models put some between their thinking and a call.
        """
        if self._kind != "text" and not text.strip():
            self._blanks += text
            return b""
        text, self._blanks = self._blanks + text, ""
        return self._in("text", _TEXT) + self._delta("text_delta", text=text)

    def _think(self, event: ReasoningDelta) -> bytes:
        """A signature ends its block, and hidden thinking is a block of its own."""
        out = b""
        if event.text:
            out = self._in("thinking", _THINKING)
            out += self._delta("thinking_delta", thinking=event.text)
        if event.signature:
            out += self._in("thinking", _THINKING)
            out += self._delta("signature_delta", signature=event.signature)
            out += self._stop_block()
        if event.hidden:
            block = {"type": "redacted_thinking", "data": event.hidden}
            out += self._start_block("redacted_thinking", block) + self._stop_block()
        return out

    def _call_began(self, event: ToolCallBegan) -> bytes:
        block = {"type": "tool_use", "id": valid_id(event.id), "name": event.name, "input": {}}
        start = self._start_block("tool_use", block)
        self._call = event.index
        # The first piece of a call is always an empty one, and some clients wait for it.
        return start + self._delta("input_json_delta", partial_json="")

    def _arguments(self, index: int, arguments: str) -> bytes:
        if index != self._call:
            raise StreamBrokenError(
                "the upstream went on with a tool call after it had begun the next thing, which a "
                "stream of this dialect cannot say; ask again without `stream`"
            )
        return self._delta("input_json_delta", partial_json=arguments)

    def _close(self) -> bytes:
        """Nothing, if the model never stopped: that is no success."""
        if self._ended is None:
            return b""
        usage = self._usage
        if not self._metered:
            usage = Usage(usage.input_tokens, estimated_output_tokens(self._output_bytes))
        delta = stop_fields(self._ended.finish, self._ended.stop_sequence)
        return _event("message_delta", delta=delta, usage=usage_object(usage)) + _STOP


def _event(kind: str, **fields: Any) -> bytes:
    return encode(_encode({"type": kind, **fields}), kind)
