"""A Responses stream passed through: what the client gets, and the events in it."""

from __future__ import annotations

from twotier.domain.message import Began, Event, Request
from twotier.errors import TwotierError
from twotier.protocols.openai_responses.answer import Answer
from twotier.protocols.openai_responses.events import Events
from twotier.protocols.openai_responses.failure import of_error
from twotier.protocols.openai_responses.reader import DONE, StreamReader
from twotier.protocols.sse import Decoder, SseEvent, encode, encode_comment
from twotier.protocols.wire import Rename, renaming


class StreamRelay:
    """The client's bytes are the upstream's, but for an event that is really a failure (the caller
    writes its own error), and what would look like an end before the answer is whole.
    """

    def __init__(self, request: Request, *, rename: Rename | None = None) -> None:
        self._request = request
        self._shown = rename[1] if rename else ""
        self._rename = renaming(rename)
        self._decoder = Decoder()
        self._reader = StreamReader()
        self._began = Began("", "")

    def feed(self, chunk: bytes) -> tuple[bytes, list[Event]]:
        """The bytes for the client (whole events only), and their events."""
        passed: list[bytes] = []
        events: list[Event] = []
        for sse in self._decoder.feed(chunk):
            found = self._reader.read(sse)
            events += found
            for event in found[:1]:
                self._began = event if isinstance(event, Began) else self._began
            if self._passes(sse):
                passed.append(_again(sse))
        out = b"".join(passed)
        return out if self._rename is None else self._rename(out), events

    def end(self) -> None:
        """As `StreamReader.end`."""
        self._reader.end()

    def error(self, error: TwotierError) -> bytes:
        """The two events that end a stream which failed, numbered on, under the answer's own id."""
        model = self._shown or self._began.model or self._request.model
        answer = Answer("", model=model, created=0, request=self._request)
        response = {**answer.failed([]), "id": self._began.id}
        return Events(self._reader.number + 1).failure(of_error(error), response)

    def _passes(self, sse: SseEvent) -> bool:
        return self._reader.closed or not (self._reader.failed or sse.data == DONE)


def _again(sse: SseEvent) -> bytes:
    if sse.comment is not None:
        return encode_comment(sse.comment.decode("utf-8", "replace"))
    return encode(sse.data, sse.event)
