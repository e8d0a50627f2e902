"""A stream of chunks passed through: what chat and text completions have in common."""

from __future__ import annotations

from typing import Protocol

from twotier.domain.message import Event, Failed, Metered, Request, TextDelta
from twotier.errors import TwotierError
from twotier.protocols.openai_wire import DONE, NO_CHOICES, again, write_error
from twotier.protocols.sse import Decoder, SseEvent, encode
from twotier.protocols.wire import Rename, renaming


class Reader(Protocol):
    """Reads the events of one answer."""

    def glance(self, sse: SseEvent) -> str:
        """The text of an event that holds nothing else; empty where it has to be read."""
        ...

    def read(self, sse: SseEvent) -> list[Event]:
        """All that an event says."""
        ...

    def end(self) -> None:
        """Raises `StreamBrokenError` unless the answer is whole."""
        ...


class ChunkRelay:
    """What the client gets, and the events in it.

    The client's bytes are the upstream's, but for three things that must never reach it: a `[DONE]`
    of an answer that is not whole, a chunk that is really a failure (the caller writes its own
    error), and the usage chunk (no choices) that we asked for and the client did not.
    """

    def __init__(self, request: Request, reader: Reader, *, rename: Rename | None) -> None:
        self._include_usage = request.include_usage
        self._rename = renaming(rename)
        self._decoder = Decoder()
        self._reader = reader

    def feed(self, chunk: bytes) -> tuple[bytes, list[Event]]:
        """The bytes for the client (whole events only), and their events."""
        passed: list[bytes] = []
        events: list[Event] = []
        for sse in self._decoder.feed(chunk):
            if text := self._reader.glance(sse):
                events.append(TextDelta(text))
                passed.append(b"data: %b\n\n" % sse.data)
                continue
            found = self._reader.read(sse)
            events += found
            if self._passes(sse, found):
                passed.append(again(sse))
        out = b"".join(passed)
        return out if self._rename is None else self._rename(out), events

    def end(self) -> None:
        """As `StreamReader.end`."""
        self._reader.end()

    def error(self, error: TwotierError) -> bytes:
        """An error object, which SDKs raise; after it there is no `[DONE]`."""
        return encode(write_error(error))

    def _passes(self, sse: SseEvent, found: list[Event]) -> bool:
        if sse.data == DONE:
            return bool(found)
        if found and isinstance(found[-1], Failed):
            return False
        if self._include_usage or len(found) != 1 or not isinstance(found[0], Metered):
            return True
        return NO_CHOICES.search(sse.data) is None
