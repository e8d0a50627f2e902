"""Server-sent events, as the WHATWG describes them: bytes in, events out, whatever the cuts.

The decoder works on whole lines, so a cut inside a UTF-8 character, a CRLF or a BOM changes
nothing. Data stays bytes: the dialects parse it, and half of it never becomes text. Time is linear
in the bytes fed, and one event has a limit, because a server that never ends a line would
otherwise fill our memory.
"""

from __future__ import annotations

import msgspec

from twotier.errors import StreamBrokenError

EVENT_BYTES_MAX = 8 * 1024 * 1024
BOM = b"\xef\xbb\xbf"


class SseEvent(msgspec.Struct, frozen=True, gc=False):
    """One event, or one comment line (then `comment` is its text and `data` is empty)."""

    data: bytes
    event: str = ""
    comment: bytes | None = None


class Decoder:
    """Feed it chunks as they come. The same bytes give the same events under any cut."""

    def __init__(self, *, event_bytes_max: int = EVENT_BYTES_MAX) -> None:
        self._event_bytes_max = event_bytes_max
        self._partial: list[bytes] = []  # the line that has not ended yet
        self._data: list[bytes] = []
        self._event = ""
        self._partial_bytes = 0
        self._data_bytes = 0
        self._first_line = True
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """The events that `chunk` completes. Raises `StreamBrokenError` past the limit."""
        if b"\r" in chunk or self._after_cr:
            chunk = self._unified(chunk)
        if len(chunk) > self._event_bytes_max:
            return self._feed(chunk)
        events: list[SseEvent] = []
        if self._partial or self._data or self._event or self._first_line:
            end = chunk.find(b"\n\n") + 2
            if end < 2:
                return self._feed(chunk)
            events = self._feed(chunk[:end])
            chunk = chunk[end:]
        last = chunk.rfind(b"\n\n")
        if last >= 0:
            # Whole events, nearly always of one line each, and perhaps its name.
            for block in chunk[:last].split(b"\n\n"):
                event = _plain(block)
                if event is None:
                    events += self._feed(block + b"\n\n")
                else:
                    events.append(event)
            chunk = chunk[last + 2 :]
        return events + self._feed(chunk) if chunk else events

    def _feed(self, chunk: bytes) -> list[SseEvent]:
        lines = chunk.split(b"\n")
        self._hold(lines[0])
        if len(lines) == 1:
            return []
        lines[0] = b"".join(self._partial)
        self._partial.clear()
        self._partial_bytes = 0
        tail = lines.pop()
        events: list[SseEvent] = []
        for line in lines:
            self._line(line, events)
        self._hold(tail)
        return events

    def _unified(self, chunk: bytes) -> bytes:
        """The chunk with LF line ends; the LF of a CRLF that was cut in two is dropped."""
        if self._after_cr and chunk:
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if chunk.endswith(b"\r"):
            self._after_cr = True
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _hold(self, piece: bytes) -> None:
        if piece:
            self._partial.append(piece)
            self._partial_bytes += len(piece)
            self._check()

    def _check(self) -> None:
        if self._partial_bytes + self._data_bytes > self._event_bytes_max:
            raise StreamBrokenError(
                f"the upstream sent an event of more than {self._event_bytes_max} bytes; "
                "it is not an event stream of this dialect: check base_url"
            )

    def _line(self, line: bytes, events: list[SseEvent]) -> None:
        if self._first_line:
            self._first_line = False
            line = line.removeprefix(BOM)
        if not line:
            self._dispatch(events)
        elif line.startswith(b"data:"):
            self._add(line[6:] if line[5:6] == b" " else line[5:])
        elif line.startswith(b":"):
            events.append(SseEvent(b"", "", line[1:].strip()))
        else:
            self._field(line)

    def _field(self, line: bytes) -> None:
        """Fields other than `data:`; `id`, `retry` and unknown ones mean nothing to us."""
        name, _, value = line.partition(b":")
        if name == b"event":
            self._event = value.removeprefix(b" ").decode("utf-8", "replace")
        elif name == b"data":
            self._add(b"")

    def _add(self, value: bytes) -> None:
        self._data.append(value)
        self._data_bytes += len(value) + 1  # an empty line is not free either
        self._check()

    def _dispatch(self, events: list[SseEvent]) -> None:
        if self._data:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            events.append(SseEvent(data, self._event))
            self._data.clear()
            self._data_bytes = 0
        self._event = ""


def _plain(block: bytes) -> SseEvent | None:
    """An event that is one line of data, and perhaps its name before it; None for all others."""
    if block[:6] == b"data: ":
        return None if b"\n" in block else SseEvent(block[6:])
    if block[:7] != b"event: ":
        return None
    name, _, data = block.partition(b"\n")
    if data[:6] != b"data: " or b"\n" in data:
        return None
    return SseEvent(data[6:], name[7:].decode("utf-8", "replace"))


def encode(data: bytes, event: str = "") -> bytes:
    """One event as bytes. `data` of our writers is JSON without line ends; others are split."""
    head = b"event: " + event.encode() + b"\n" if event else b""
    return head + b"data: " + data.replace(b"\n", b"\ndata: ") + b"\n\n"


def encode_comment(text: str) -> bytes:
    """A comment line: a sign of life that no client takes for content."""
    return b": " + text.encode() + b"\n\n"
