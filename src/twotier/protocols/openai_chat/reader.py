"""A Chat Completions stream read into events, and relayed.

Success is two things, both seen: a `finish_reason` and `[DONE]`. A server that is killed with -9
ends its HTTP/1.0 stream cleanly and says neither, so everything less than both is a broken stream.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from twotier.domain.message import (
    Began,
    Closed,
    Ended,
    Event,
    Failed,
    Metered,
    ReasoningDelta,
    Request,
    TextDelta,
    ToolCallBegan,
    ToolCallDelta,
)
from twotier.errors import StreamBrokenError
from twotier.protocols import freeform
from twotier.protocols.openai_chat.chunk import (
    FINISH_READ,
    CallPiece,
    Choice,
    Chunk,
    Delta,
)
from twotier.protocols.openai_chat.details import DetailIn
from twotier.protocols.openai_chat.plain import plain_text
from twotier.protocols.openai_relay import ChunkRelay
from twotier.protocols.openai_wire import DONE, progress
from twotier.protocols.sse import Decoder, SseEvent
from twotier.protocols.wire import Rename, no_calls, read_upstream_json

_CHUNK = msgspec.json.Decoder(Chunk)


class _Calls:
    """Numbers the calls of one answer from 0, whatever numbers the server gives them.

    Seen in the field: no index at all, index 0 for every call with a new id or name each, a name
    that comes after the id or again in every piece. A call is announced once its name is known.
    """

    def __init__(self) -> None:
        self.count = 0
        self._number_by_index: dict[int, int] = {}
        self._id_by_number: dict[int, str] = {}
        self._name_by_number: dict[int, str] = {}
        self._nameless: dict[int, list[str]] = {}  # arguments that came before the name
        self._freeform: list[int] = []  # calls of custom tools, whose text is JSON to us
        self._next = 0

    def take(self, piece: CallPiece, answer_id: str) -> list[Event]:
        """The events of one piece of a call."""
        number, is_new = self._number(piece)
        name = piece.name
        arguments = self._arguments(piece, number)
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
        self._name_by_number[number] = name
        self.count += 1
        began = ToolCallBegan(number, self._id_by_number[number], name)
        text = "".join(early)
        return [began, ToolCallDelta(number, text)] if text else [began]

    @property
    def unnamed(self) -> bool:
        """True if a call never got its name, and so was never announced."""
        return bool(self._nameless)

    def finish(self) -> list[Event]:
        """What ends the calls of custom tools."""
        ends: list[Event] = [ToolCallDelta(number, freeform.TAIL) for number in self._freeform]
        self._freeform.clear()
        return ends

    def _arguments(self, piece: CallPiece, number: int) -> str:
        """More of the JSON text of a call."""
        if piece.custom is None:
            return piece.function.text() if piece.function else ""
        text = freeform.escaped(piece.custom.input or "")
        if number in self._freeform:
            return text
        self._freeform.append(number)
        return freeform.HEAD + text

    def _number(self, piece: CallPiece) -> tuple[int, bool]:
        """Our number of the call this piece belongs to, and whether the call starts with it."""
        index = -1 if piece.index is None else piece.index
        known = self._number_by_index.get(index)
        if known is not None and self._continues(piece, known):
            return known, False
        number = self._next
        self._next += 1
        self._number_by_index[index] = number
        return number, True

    def _continues(self, piece: CallPiece, known: int) -> bool:
        """Whether a piece is more of a known call: by its id, or else by its name."""
        if piece.id:
            return piece.id == self._id_by_number[known]
        name = self._name_by_number.get(known, "")
        return not piece.name or not name or (piece.name == name and piece.index is not None)


class StreamReader:
    """Chunks in, events out. `end()` tells whether the answer was whole.

    `repaired`: whoever has the events judges an end for tools without a call.
    """

    def __init__(self, *, repaired: bool = False) -> None:
        self._repaired = repaired
        self._decoder = Decoder()
        self._calls = _Calls()
        self._id = ""
        self._began = False
        self._thought = False
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
            return [progress(sse.comment)]
        if sse.data == DONE:
            # [DONE] after an answer that never finished is no terminator.
            self._closed = self._ended
            return [Closed()] if self._closed else []
        events = self._chunk(read_upstream_json(_CHUNK, sse.data, what="a chunk"))
        self._failed = bool(events) and isinstance(events[-1], Failed)
        return events

    def glance(self, sse: SseEvent) -> str:
        """The text of an event of text alone, between the first chunk and the finish, where it is
        only that; empty for all others.
        """
        under_way = self._began and not (self._ended or self._failed)
        return plain_text(sse) if under_way else ""

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
        if reading := chunk.progress():
            events.append(reading)
        for choice in chunk.choices or ():
            events += self._choice(choice)
        if (usage := chunk.metered()) is not None:
            events.append(Metered(usage, final=self._ended, timing=chunk.timing()))
        failures = [event for event in events if isinstance(event, Failed)]
        # What failed says nothing after it.
        return events if not failures else [*events[: events.index(failures[0])], failures[0]]

    def _choice(self, choice: Choice) -> list[Event]:
        events = self._delta(choice.delta) if choice.delta is not None else []
        if choice.finish_reason and not self._ended:
            finish = FINISH_READ.get(choice.finish_reason, "stop")
            lost = finish == "tool_calls" and not (self._calls.count or self._repaired)
            if self._calls.unnamed or lost:
                return [*events, no_calls()]
            if finish == "stop" and self._calls.count:
                finish = "tool_calls"  # OpenAI says stop where one named tool was ordered
            self._ended = True
            events += self._calls.finish()
            events.append(Ended(finish, choice.stop_sequence))
        return events

    def _delta(self, delta: Delta) -> list[Event]:
        events: list[Event] = []
        thinking = delta.reasoning_content or delta.reasoning
        if thinking:
            self._thought = True
            events.append(ReasoningDelta(thinking))
        if delta.reasoning_details:
            events += self._details(delta.reasoning_details)
        if delta.content:
            events.append(TextDelta(delta.content))
        if delta.refusal:
            events.append(TextDelta(delta.refusal))
        if delta.tool_calls or delta.function_call:
            for piece in delta.calls():
                events += self._calls.take(piece, self._id)
        return events

    def _details(self, details: list[DetailIn]) -> Iterator[Event]:
        """Seals, and the text where no other field says it."""
        for detail in details:
            if detail.words and not self._thought:
                yield ReasoningDelta(detail.words)
            if detail.signature and detail.sealed_here:
                yield ReasoningDelta("", detail.signature)
            if detail.data and detail.sealed_here:
                yield ReasoningDelta("", hidden=detail.data)


class StreamRelay(ChunkRelay):
    """A stream passed through."""

    def __init__(self, request: Request, *, rename: Rename | None = None) -> None:
        super().__init__(request, StreamReader(), rename=rename)
