"""A Responses stream read into events.

The terminator is `response.completed` or `response.incomplete`. Failures come as `error`, as
`response.failed`, or as an object with an error and no type, each under HTTP 200. Servers differ in
what they number and in what they send as deltas, so an item is known by its place or else by its
id, and what came in no delta is taken from the item when it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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
from twotier.protocols.freeform import HEAD, TAIL, escaped
from twotier.protocols.openai_responses.response import CALLS, Item, Response, failed_by
from twotier.protocols.openai_wire import failed
from twotier.protocols.sse import Decoder, SseEvent
from twotier.protocols.wire import ErrorFields, read_upstream_json

DONE = b"[DONE]"  # no part of this dialect; some servers send it all the same
_Key = int | str


class StreamEvent(msgspec.Struct):
    """An event of any type."""

    type: str = ""
    sequence_number: int | None = None
    output_index: int | None = None
    item_id: str | None = None
    summary_index: int | None = None
    delta: Any = None  # text in all events that matter here
    arguments: Any = None
    input: Any = None
    item: Item | None = None
    response: Response | None = None
    code: str | int | None = None
    message: str | None = None
    error: ErrorFields | str | None = None

    def keys(self) -> list[_Key]:
        """What the item it is about is known by; the place counts first, some ids change."""
        ids = [self.item_id, self.item.id, self.item.call_id] if self.item else [self.item_id]
        place: list[_Key] = [] if self.output_index is None else [self.output_index]
        return place + [id_ for id_ in ids if id_]

    def failure(self) -> Failed | None:
        """The error this event is, if it is one."""
        if self.error is not None:
            return failed_by(self.error)
        if self.type == "error":
            return failed_by(ErrorFields(self.message or "", None, self.code))
        found = self.response.failure() if self.response is not None else None
        if found is None and self.type == "response.failed":
            return failed("")
        return found


_EVENT = msgspec.json.Decoder(StreamEvent)


class _Seen:
    """What is known of one item."""

    def __init__(self) -> None:
        self.call = -1  # its number, if it is one
        self.custom = False
        self.filled = False  # its content has come, or has begun to
        self.done = False

    def more(self, piece: Any) -> list[Event]:
        """More of a call's arguments."""
        if not isinstance(piece, str) or not piece:
            return []
        if self.custom:
            piece = ("" if self.filled else HEAD) + escaped(piece)
        self.filled = True
        return [ToolCallDelta(self.call, piece)]

    def ended(self) -> list[Event]:
        """The end of a call's arguments."""
        if self.done or not self.custom:
            return []
        self.done = True
        return [ToolCallDelta(self.call, TAIL if self.filled else HEAD + TAIL)]


class StreamReader:
    """Chunks in, events out. `end()` tells whether the answer was whole."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._seen: dict[_Key, _Seen] = {}
        self._calls = 0
        self._began = False
        self._over = False  # closed or failed: nothing counts any more
        self.closed = False
        self.failed = False
        self.number = -1  # of the last event
        self._readers: Mapping[str, Callable[[StreamEvent], list[Event]]] = {
            "response.created": self._start,
            "response.in_progress": self._start,
            "response.output_item.added": self._added,
            "response.output_text.delta": self._text,
            "response.refusal.delta": self._text,
            "response.reasoning_summary_part.added": self._paragraph,
            "response.reasoning_summary_text.delta": self._thinking,
            "response.reasoning_text.delta": self._thinking,
            "response.function_call_arguments.delta": self._arguments,
            "response.custom_tool_call_input.delta": self._arguments,
            "response.output_item.done": self._done,
            "response.completed": self._close,
            "response.incomplete": self._close,
        }

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Raises `StreamBrokenError` for what is no event."""
        events: list[Event] = []
        for sse in self._decoder.feed(chunk):
            events += self.read(sse)
        return events

    def read(self, sse: SseEvent) -> list[Event]:
        """The events of one server-sent event."""
        if self._over or sse.data == DONE:
            return []
        if sse.comment is not None:
            return [Progress()]
        event = read_upstream_json(_EVENT, sse.data, what="an event")
        self.number = event.sequence_number or self.number
        failure = event.failure()
        if failure is not None:
            self._over = self.failed = True
            return [failure]
        read = self._readers.get(event.type)
        return read(event) if read is not None else []

    def end(self) -> None:
        """The stream is over. Raises `StreamBrokenError` unless the answer is whole."""
        if not self.closed:
            raise StreamBrokenError(
                "the upstream's stream ended without response.completed: its answer is "
                "incomplete; ask again, and see the log of its server if this repeats"
            )

    def _start(self, event: StreamEvent) -> list[Event]:
        response = event.response or Response()
        if self._began or not (response.id or response.model):
            return []
        self._began = True
        return [Began(response.id or "", response.model or "")]

    def _text(self, event: StreamEvent) -> list[Event]:
        if not isinstance(event.delta, str) or not event.delta:
            return []
        self._item(event).filled = True
        return [TextDelta(event.delta)]

    def _thinking(self, event: StreamEvent) -> list[Event]:
        if not isinstance(event.delta, str) or not event.delta:
            return []
        self._item(event).filled = True
        return [ReasoningDelta(event.delta)]

    def _paragraph(self, event: StreamEvent) -> list[Event]:
        """A summary comes in parts with a title each; between two there is an empty line."""
        return [ReasoningDelta("\n\n")] if self._item(event).filled else []

    def _added(self, event: StreamEvent) -> list[Event]:
        item = event.item
        if item is None or item.type not in CALLS or not item.name:
            return []  # a call without its name is read when it is done
        return self._call(self._item(event), item)

    def _call(self, seen: _Seen, item: Item) -> list[Event]:
        """A call begins; some servers send all of it at once."""
        if seen.call >= 0:
            return []
        seen.call, seen.custom = self._calls, item.type == "custom_tool_call"
        self._calls += 1
        call = item.call()
        return [ToolCallBegan(seen.call, call.id, call.name), *seen.more(item.given)]

    def _arguments(self, event: StreamEvent) -> list[Event]:
        seen = self._item(event)
        return [] if seen.call < 0 else seen.more(event.delta)

    def _done(self, event: StreamEvent) -> list[Event]:
        """An item is whole: what came of it in no delta comes now."""
        seen, item = self._item(event), event.item or Item()
        match item.type:
            case "message" if not seen.filled:
                return [TextDelta(item.text)] if item.text else []
            case "function_call" | "custom_tool_call":
                events = self._call(seen, item)
                return [*events, *([] if seen.filled else seen.more(item.given)), *seen.ended()]
            case "reasoning":
                return _thought(seen, item)
            case _:
                return []

    def _close(self, event: StreamEvent) -> list[Event]:
        response = event.response or Response()
        events = self._start(event)
        if not self._seen:  # nothing came but the whole of it
            for at, item in enumerate(response.output or ()):
                events += self._done(StreamEvent(output_index=at, item=item))
        events += [end for seen in self._seen.values() for end in seen.ended()]
        cut = event.type == "response.incomplete"
        events.append(Ended(response.finish(cut=cut, calls=self._calls > 0)))
        if (usage := response.metered()) is not None:
            events.append(Metered(usage, final=True))
        self._over = self.closed = True
        return [*events, Closed()]

    def _item(self, event: StreamEvent) -> _Seen:
        """What is known of the item that this event is about."""
        place = event.output_index
        if place is not None and place in self._seen:  # nearly always
            return self._seen[place]
        keys = event.keys()
        known = (self._seen[key] for key in keys if key in self._seen)
        seen = next(known, None) or _Seen()
        for key in keys:
            self._seen.setdefault(key, seen)
        return seen


def _thought(seen: _Seen, item: Item) -> list[Event]:
    """The end of thinking: its seals, and its text where no delta had it."""
    deltas = [
        ReasoningDelta("" if seen.filled else part.text, part.signature, part.hidden)
        for part in item.thinking()
    ]
    return [delta for delta in deltas if delta != ReasoningDelta("")]
