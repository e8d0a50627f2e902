"""An Anthropic Messages stream read into events, and relayed.

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
    Request,
    TextDelta,
    ToolCallBegan,
    ToolCallDelta,
)
from twotier.errors import StreamBrokenError, TwotierError
from twotier.protocols.anthropic_messages.failure import write_error
from twotier.protocols.anthropic_messages.message import (
    FINISH_READ,
    Answer,
    Block,
    ErrorIn,
    UsageIn,
)
from twotier.protocols.sse import Decoder, SseEvent, encode, encode_comment
from twotier.protocols.wire import Rename, no_calls, read_upstream_json, renaming


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None


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
    """Chunks in, events out. `end()` tells whether the answer was whole.

    `repaired`: whoever has the events judges an end for a tool without a call.
    """

    def __init__(self, *, repaired: bool = False) -> None:
        self._repaired = repaired
        self._decoder = Decoder()
        self._usage = UsageIn()
        self._call_by_block: dict[int, int] = {}
        self._silent: set[int] = set()  # blocks of calls without arguments so far
        self._ended = False
        self.over = False  # closed or failed: nothing counts any more
        self._closed = False
        self._readers: dict[str, Callable[[_StreamEvent], list[Event]]] = {
            "message_start": self._start,
            "content_block_start": self._block,
            "content_block_delta": self._delta,
            "content_block_stop": self._block_stop,
            "message_delta": self._message_delta,
            "message_stop": self._stop,
            "ping": lambda _: [Progress()],
            "error": self._error,
        }

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Raises `StreamBrokenError` for what is no event."""
        events: list[Event] = []
        for sse in self._decoder.feed(chunk):
            events += self.read(sse)
        return events

    def end(self) -> None:
        """The stream is over. Raises `StreamBrokenError` unless the answer is whole."""
        if not self._closed:
            missing = "message_stop" if self._ended else "stop_reason and message_stop"
            raise StreamBrokenError(
                f"the upstream's stream ended without {missing}: it is incomplete; ask again"
            )

    def read(self, sse: SseEvent) -> list[Event]:
        """The events of one server-sent event."""
        if self.over:
            return []
        if sse.comment is not None:
            return [Progress()]
        event = read_upstream_json(_EVENT, sse.data, what="an event")
        read = self._readers.get(event.type)
        events = read(event) if read is not None else []
        self.over = bool(events) and isinstance(events[-1], Failed | Closed)
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
            case "redacted_thinking" if block.data:
                return [ReasoningDelta("", hidden=block.data)]
            case "tool_use":
                call = len(self._call_by_block)
                self._call_by_block[event.index] = call
                began = ToolCallBegan(call, block.id, block.name)
                if block.input:  # streamed blocks start with an empty one; a filled one is all
                    return [began, *_arguments(call, block)]
                self._silent.add(event.index)
                return [began]
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
                self._silent.discard(event.index)
                return [ToolCallDelta(self._call_by_block[event.index], delta.partial_json)]
            case _:
                return []

    def _block_stop(self, event: _StreamEvent) -> list[Event]:
        """A call without arguments has none in its stream; elsewhere that would be no JSON."""
        if event.index not in self._silent:
            return []
        self._silent.discard(event.index)
        return [ToolCallDelta(self._call_by_block[event.index], "{}")]

    def _message_delta(self, event: _StreamEvent) -> list[Event]:
        events: list[Event] = []
        delta = event.delta or _Delta()
        if delta.stop_reason is not None:
            finish = FINISH_READ.get(delta.stop_reason, "stop")
            if finish == "tool_calls" and not (self._call_by_block or self._repaired):
                return [no_calls()]
            self._ended = True
            events.append(Ended(finish, delta.stop_sequence or ""))
        if event.usage is not None:
            self._usage = self._usage.merged(event.usage)
            events.append(Metered(self._usage.neutral(), final=self._ended))
        return events

    def _stop(self, _: _StreamEvent) -> list[Event]:
        self._closed = self._ended
        return [Closed()] if self._closed else []

    def _error(self, event: _StreamEvent) -> list[Event]:
        return [(event.error or ErrorIn()).failed()]


class StreamRelay:
    """A stream passed through: what the client gets, and the events in it.

    The client's bytes are the upstream's, event for event, but for what must never reach it: an
    event that is really a failure (the caller writes its own), a `message_stop` of an answer that
    is not whole, and whatever comes after either.
    """

    def __init__(self, request: Request, *, rename: Rename | None = None) -> None:  # noqa: ARG002 - the seam's
        self._rename = renaming(rename)
        self._decoder = Decoder()
        self._reader = StreamReader()

    def feed(self, chunk: bytes) -> tuple[bytes, list[Event]]:
        """The bytes for the client (whole events only), and their events."""
        passed: list[bytes] = []
        events: list[Event] = []
        for sse in self._decoder.feed(chunk):
            if self._reader.over:
                break
            found = self._reader.read(sse)
            events += found
            if self._passes(sse, found):
                passed.append(self._again(sse, found))
        return b"".join(passed), events

    def end(self) -> None:
        """As `StreamReader.end`."""
        self._reader.end()

    def error(self, error: TwotierError) -> bytes:
        """An error event, which SDKs raise."""
        return encode(write_error(error), "error")

    def _passes(self, sse: SseEvent, found: list[Event]) -> bool:
        if found:
            return not isinstance(found[-1], Failed)
        # What stands inside a text has a backslash before its last quote.
        return b'"message_stop"' not in sse.data

    def _again(self, sse: SseEvent, found: list[Event]) -> bytes:
        if sse.comment is not None:
            return encode_comment(sse.comment.decode("utf-8", "replace"))
        out = encode(sse.data, sse.event)
        # Only the first event says the model; in others the word could be an argument of a tool.
        began = bool(found) and isinstance(found[0], Began)
        return self._rename(out) if began and self._rename is not None else out


def _arguments(call: int, block: Block) -> list[Event]:
    return [ToolCallDelta(call, _encode(block.input).decode())]
