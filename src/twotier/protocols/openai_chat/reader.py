"""A Chat Completions stream read into events, and relayed.

Success is two things, both seen: a `finish_reason` and `[DONE]`. A server that is killed with -9
ends its HTTP/1.0 stream cleanly and says neither, so everything less than both is a broken stream.
"""

from __future__ import annotations

import re

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
from twotier.protocols.openai_chat.chunk import (
    FINISH_READ,
    CallPiece,
    Choice,
    Chunk,
    Delta,
    no_calls,
)
from twotier.protocols.sse import Decoder, SseEvent, encode, encode_comment
from twotier.protocols.wire import read_upstream_json

DONE = b"[DONE]"
_KEEPALIVE = re.compile(rb"keepalive (\d{1,9})/(\d{1,9})")
_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_CHUNK = msgspec.json.Decoder(Chunk)


class _Calls:
    """Numbers the calls of one answer from 0, whatever numbers the server gives them.

    Seen in the field: no index at all, index 0 for every call with a new id each, a name that
    comes after the id. A call is announced once its name is known.
    """

    def __init__(self) -> None:
        self.count = 0
        self._number_by_index: dict[int, int] = {}
        self._id_by_number: dict[int, str] = {}
        self._nameless: dict[int, list[str]] = {}  # arguments that came before the name
        self._next = 0

    def take(self, piece: CallPiece, answer_id: str) -> list[Event]:
        """The events of one piece of a call."""
        number, is_new = self._number(piece)
        name = (piece.function and piece.function.name) or ""
        arguments = piece.function.text() if piece.function else ""
        if is_new:
            self._id_by_number[number] = piece.id or f"call_{answer_id}_{number}"
            self._nameless[number] = []
        early = self._nameless.get(number)
        if early is None:
            return [ToolCallDelta(number, arguments)] if arguments else []
        early.append(arguments)
        if not name:
            return []
        del self._nameless[number]
        self.count += 1
        began = ToolCallBegan(number, self._id_by_number[number], name)
        text = "".join(early)
        return [began, ToolCallDelta(number, text)] if text else [began]

    @property
    def unnamed(self) -> bool:
        """True if a call never got its name, and so was never announced."""
        return bool(self._nameless)

    def _number(self, piece: CallPiece) -> tuple[int, bool]:
        """Our number of the call this piece belongs to, and whether the call starts with it."""
        index = -1 if piece.index is None else piece.index
        known = self._number_by_index.get(index)
        if known is not None and (not piece.id or piece.id == self._id_by_number[known]):
            return known, False
        number = self._next
        self._next += 1
        self._number_by_index[index] = number
        return number, True


class StreamReader:
    """Chunks in, events out. `end()` tells whether the answer was whole."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._calls = _Calls()
        self._id = ""
        self._began = False
        self._ended = False
        self._failed = False
        self._closed = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Raises `StreamBrokenError` for what is no chunk."""
        events: list[Event] = []
        for sse in self._decoder.feed(chunk):
            events += self.read(sse)
        return events

    def read(self, sse: SseEvent) -> list[Event]:
        """The events of one server-sent event."""
        if self._closed or self._failed:
            return []
        if sse.comment is not None:
            return [_progress(sse.comment)]
        if sse.data == DONE:
            # [DONE] after an answer that never finished is no terminator.
            self._closed = self._ended
            return [Closed()] if self._closed else []
        events = self._chunk(read_upstream_json(_CHUNK, sse.data, what="a chunk"))
        self._failed = bool(events) and isinstance(events[-1], Failed)
        return events

    def end(self) -> None:
        """The stream is over. Raises `StreamBrokenError` unless the answer is whole."""
        if not self._closed:
            missing = "[DONE]" if self._ended else "finish_reason and [DONE]"
            raise StreamBrokenError(
                f"the upstream's stream ended without {missing}: its answer is incomplete; "
                "ask again, and see the log of its server if this repeats"
            )

    def _chunk(self, chunk: Chunk) -> list[Event]:
        failure = chunk.failure()
        if failure is not None:
            return [failure]
        events: list[Event] = []
        if not self._began and (chunk.id or chunk.model):
            self._began = True
            self._id = chunk.id or ""
            events.append(Began(self._id, chunk.model or ""))
        for choice in chunk.choices or ():
            events += self._choice(choice)
        if chunk.usage is not None:
            events.append(Metered(chunk.usage.neutral(), final=self._ended))
        failures = [event for event in events if isinstance(event, Failed)]
        # What failed says nothing after it.
        return events if not failures else [*events[: events.index(failures[0])], failures[0]]

    def _choice(self, choice: Choice) -> list[Event]:
        events = self._delta(choice.delta) if choice.delta is not None else []
        if choice.finish_reason:
            finish = FINISH_READ.get(choice.finish_reason, "stop")
            if self._calls.unnamed or (finish == "tool_calls" and not self._calls.count):
                return [*events, no_calls()]
            if finish == "stop" and self._calls.count:
                finish = "tool_calls"  # OpenAI says stop where one named tool was ordered
            self._ended = True
            events.append(Ended(finish))
        return events

    def _delta(self, delta: Delta) -> list[Event]:
        events: list[Event] = []
        thinking = delta.reasoning_content or delta.reasoning
        if thinking:
            events.append(ReasoningDelta(thinking))
        if delta.content:
            events.append(TextDelta(delta.content))
        if delta.refusal:
            events.append(TextDelta(delta.refusal))
        for piece in delta.tool_calls or ():
            events += self._calls.take(piece, self._id)
        return events


def _progress(comment: bytes) -> Progress:
    """mlx-lm says `keepalive done/total` in prompt tokens; any other comment is a sign of life."""
    found = _KEEPALIVE.search(comment)
    return Progress(int(found[1]), int(found[2])) if found else Progress()


class StreamRelay:
    """A stream passed through: what the client gets, and the events in it.

    The client's bytes are the upstream's, but for three things that must never reach it: a `[DONE]`
    of an answer that is not whole, a chunk that is really a failure (the caller writes its own
    error), and the usage chunk (no choices) that we asked for and the client did not.
    """

    def __init__(self, *, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._decoder = Decoder()
        self._reader = StreamReader()

    def feed(self, chunk: bytes) -> tuple[bytes, list[Event]]:
        """The bytes for the client (whole events only), and their events."""
        passed: list[bytes] = []
        events: list[Event] = []
        for sse in self._decoder.feed(chunk):
            found = self._reader.read(sse)
            events += found
            if self._passes(sse, found):
                passed.append(_again(sse))
        return b"".join(passed), events

    def end(self) -> None:
        """As `StreamReader.end`."""
        self._reader.end()

    def _passes(self, sse: SseEvent, found: list[Event]) -> bool:
        if sse.data == DONE:
            return bool(found)
        if found and isinstance(found[-1], Failed):
            return False
        if self._include_usage or len(found) != 1 or not isinstance(found[0], Metered):
            return True
        return _NO_CHOICES.search(sse.data) is None


def _again(sse: SseEvent) -> bytes:
    if sse.comment is not None:
        return encode_comment(sse.comment.decode("utf-8", "replace"))
    return encode(sse.data, sse.event)
