"""An Anthropic Messages stream read into events.

The terminator is a stop reason and then `message_stop`. An `error` event may come under HTTP 200 at
any point (529 `overloaded_error` most of all), and pings come at any point. Event types and block
types nobody told us of are skipped, as the API's versioning rules ask of clients.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from twotier.domain.message import (
    Began,
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
)
from twotier.errors import StreamBrokenError
from twotier.protocols.anthropic_messages.message import (
    FINISH_READ,
    Answer,
    Block,
    ErrorIn,
    UsageIn,
    no_calls,
)
from twotier.protocols.sse import Decoder, SseEvent
from twotier.protocols.wire import read_upstream_json


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _StreamEvent(msgspec.Struct):
    type: str
    index: int = 0
    message: Answer | None = None
    content_block: Block | None = None
    delta: _Delta | None = None
    usage: UsageIn | None = None
    error: ErrorIn | None = None


_EVENT = msgspec.json.Decoder(_StreamEvent)
_encode = msgspec.json.Encoder().encode


class StreamReader:
    """Chunks in, events out. `end()` tells whether the answer was whole."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._usage = UsageIn()
        self._call_by_block: dict[int, int] = {}
        self._ended = False
        self._over = False  # closed or failed: nothing counts any more
        self._closed = False
        self._readers: dict[str, Callable[[_StreamEvent], list[Event]]] = {
            "message_start": self._start,
            "content_block_start": self._block,
            "content_block_delta": self._delta,
            "message_delta": self._message_delta,
            "message_stop": self._stop,
            "ping": lambda _: [Progress()],
            "error": self._error,
        }

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Raises `StreamBrokenError` for what is no event."""
        events: list[Event] = []
        for sse in self._decoder.feed(chunk):
            events += self._read(sse)
        return events

    def end(self) -> None:
        """The stream is over. Raises `StreamBrokenError` unless the answer is whole."""
        if not self._closed:
            missing = "message_stop" if self._ended else "stop_reason and message_stop"
            raise StreamBrokenError(
                f"the upstream's stream ended without {missing}: it is incomplete; ask again"
            )

    def _read(self, sse: SseEvent) -> list[Event]:
        if self._over:
            return []
        if sse.comment is not None:
            return [Progress()]
        event = read_upstream_json(_EVENT, sse.data, what="an event")
        read = self._readers.get(event.type)
        events = read(event) if read is not None else []
        self._over = bool(events) and isinstance(events[-1], Failed | Closed)
        return events

    def _start(self, event: _StreamEvent) -> list[Event]:
        message = event.message or Answer()
        self._usage = message.usage or self._usage
        return [Began(message.id, message.model), Metered(self._usage.neutral())]

    def _block(self, event: _StreamEvent) -> list[Event]:
        block = event.content_block or Block("")
        match block.type:
            case "text" if block.text:
                return [TextDelta(block.text)]
            case "thinking" if block.thinking or block.signature:
                return [ReasoningDelta(block.thinking, block.signature or "")]
            case "tool_use":
                call = len(self._call_by_block)
                self._call_by_block[event.index] = call
                began = ToolCallBegan(call, block.id, block.name)
                # Streamed blocks start with an empty input; a filled one is all there is.
                return [began, *_arguments(call, block)] if block.input else [began]
            case _:
                return []

    def _delta(self, event: _StreamEvent) -> list[Event]:
        delta = event.delta or _Delta()
        match delta.type:
            case "text_delta" if delta.text:
                return [TextDelta(delta.text)]
            case "thinking_delta" if delta.thinking:
                return [ReasoningDelta(delta.thinking)]
            case "signature_delta" if delta.signature:
                return [ReasoningDelta("", delta.signature)]
            case "input_json_delta" if delta.partial_json and event.index in self._call_by_block:
                return [ToolCallDelta(self._call_by_block[event.index], delta.partial_json)]
            case _:
                return []

    def _message_delta(self, event: _StreamEvent) -> list[Event]:
        events: list[Event] = []
        reason = event.delta.stop_reason if event.delta else None
        if reason is not None:
            finish = FINISH_READ.get(reason, "stop")
            if finish == "tool_calls" and not self._call_by_block:
                return [no_calls()]
            self._ended = True
            events.append(Ended(finish))
        if event.usage is not None:
            self._usage = self._usage.merged(event.usage)
            events.append(Metered(self._usage.neutral(), final=self._ended))
        return events

    def _stop(self, _: _StreamEvent) -> list[Event]:
        self._closed = self._ended
        return [Closed()] if self._closed else []

    def _error(self, event: _StreamEvent) -> list[Event]:
        return [(event.error or ErrorIn()).failed()]


def _arguments(call: int, block: Block) -> list[Event]:
    return [ToolCallDelta(call, _encode(block.input).decode())]
