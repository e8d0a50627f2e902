"""One request and its answer, between the connection that carries it and the application.

To the application this is ASGI: a scope, `receive`, `send`. Two things are more than ASGI says. The
head waits for the first piece of the body, so that both leave in one write. And when the client
goes, the task of its request is cancelled: nobody has to watch for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any, Protocol

Scope = dict[str, Any]
Message = MutableMapping[str, Any]

PHRASES = {status.value: status.phrase for status in HTTPStatus}
# Every number, because upstreams have their own (Anthropic's 529) and theirs go through.
STATUS_LINES = {
    status: f"HTTP/1.1 {status} {PHRASES.get(status, '')}\r\n".encode()
    for status in range(100, 600)
}
BODILESS = frozenset({204, 304})


class Line(Protocol):
    """The connection, as far as an answer knows it."""

    @property
    def date(self) -> bytes:
        """For the answer's head."""
        ...

    def write(self, data: bytes) -> None:
        """Send."""
        ...

    async def drained(self) -> None:
        """Wait until the client has read enough of what was sent."""
        ...

    def wants_body(self) -> None:
        """The application reads on: more of the body may come."""
        ...

    def answered(self, *, close: bool) -> None:
        """The answer is whole."""
        ...

    def failed(self) -> None:
        """The application has ended without ending its answer."""
        ...


class Cycle:
    """A request under way: its body as it comes, its answer as it goes."""

    def __init__(self, line: Line, scope: Scope, *, keeps_alive: bool, expects: bool) -> None:
        self.scope = scope
        self.whole = False  # all of the body has come
        self.unread_bytes = 0
        self.started = False  # the head of the answer has gone out
        self.done = False
        self.gone = False  # the client is
        self.keeps_alive = keeps_alive
        self.slow = False  # the client reads slowly: wait before the next write
        self.expects = expects  # it waits for our word before it sends the body
        self._line = line
        self._pieces: list[bytes] = []
        self._read_out = False
        self._waiter: asyncio.Future[None] | None = None
        self._head: bytes | None = None
        self._chunked = False
        self._left: int | None = None  # bytes of the body still owed, None if it has no length

    # What the connection says.

    def add(self, piece: bytes) -> None:
        """More of the body."""
        self._pieces.append(piece)
        self.unread_bytes += len(piece)
        self._wake()

    def end(self) -> None:
        """The body is whole."""
        self.whole = True
        self._wake()

    def lose(self) -> None:
        """The client is gone."""
        self.gone = True
        self._wake()

    def close(self) -> None:
        """The application has ended; a client must not wait for an answer that was left open."""
        if not (self.done or self.gone):
            self._line.failed()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the application calls.

    async def receive(self) -> Message:
        """The next piece of the body; after its end, the news that the client has gone."""
        while not (self._pieces or self.gone or self.done or (self.whole and not self._read_out)):
            await self._more()
        if self.gone or self.done:
            return {"type": "http.disconnect"}
        pieces, self._pieces, self.unread_bytes = self._pieces, [], 0
        self._read_out = self.whole
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return {"type": "http.request", "body": body, "more_body": not self.whole}

    async def _more(self) -> None:
        if self.expects and not self.started:
            self.expects = False
            self._line.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._line.wants_body()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def send(self, message: Message) -> None:
        """The head, or a piece of the body. A client that is gone hears nothing."""
        if self.gone:
            return
        if message["type"] == "http.response.start":
            self._start(message["status"], message.get("headers", ()))
            return
        if self.slow:
            await self._line.drained()
        self._body(message.get("body", b""), more=message.get("more_body", False))

    def _start(self, status: int, headers: Any) -> None:
        if self.started or self._head is not None:
            raise RuntimeError("an answer has one head")
        lines = [STATUS_LINES[status], b"date: ", self._line.date, b"\r\n"]
        sized = False
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
            if name == b"content-length":
                self._left, sized = int(value), True
            elif name == b"connection" and value == b"close":
                self.keeps_alive = False
        expected = len(lines) // 4 + 1  # the first four hold two lines
        if self.scope["method"] == "HEAD" or status in BODILESS:
            self._left = 0
        elif not sized:
            self._chunked = self.scope["http_version"] == "1.1"
            if self._chunked:
                lines.append(b"transfer-encoding: chunked\r\n")
                expected += 1
            else:
                self.keeps_alive = False
        if not self.keeps_alive:
            lines.append(b"connection: close\r\n")
            expected += 1
        head = b"".join(lines)
        if head.count(b"\n") != expected or head.count(b"\r") != expected or b"\0" in head:
            raise RuntimeError("a header holds a line break or a zero byte")
        self._head = head + b"\r\n"

    def _body(self, piece: bytes, *, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            if self.done:
                return
            more = False  # its answer is whole with its head, also where a stream would begin
        if self.done or (self._head is None and not self.started):
            raise RuntimeError("a body belongs between the head and the end of an answer")
        if self._chunked:
            framed = b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
            out = framed if more else framed + b"0\r\n\r\n"
        else:
            out = piece if self.scope["method"] != "HEAD" else b""
            self._owe(len(out), more=more)
        if self._head is not None:
            out, self._head, self.started = self._head + out, None, True
        if out:
            self._line.write(out)
        if not more:
            self.done = True
            self._wake()
            self._line.answered(close=not self.keeps_alive)

    def _owe(self, size: int, *, more: bool) -> None:
        """Count down to the promised length: one byte more or less would shift the next answer."""
        if self._left is None:
            return
        self._left -= size
        if self._left < 0 or (self._left and not more):
            raise RuntimeError("the body is not as long as its content-length says")
