"""One TCP connection that speaks HTTP/1.1 as a client.

The parser is llhttp, Node's, which refuses what is ambiguous (RFC 9112). It sets no limits of its
own, so they are here: lines in a head, bytes in a line, and bytes that bring no body at all.
Whether a body that ends with its connection is whole is not knowable at this level (mlx-lm answers
HTTP/1.0 and streams so): the dialect's reader decides.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from twotier.providers.base import Deadlines
from twotier.providers.plain_answer import Answer
from twotier.providers.timer import Timer

HEAD_LINES_MAX = 128
HEAD_LINE_BYTES_MAX = 16 * 1024
HEAD_BYTES_MAX = 64 * 1024

Place = tuple[str, int]  # host, port


class Home(Protocol):
    """Where connections live between two answers."""

    def opened(self, connection: Connection) -> None:
        """It stands."""
        ...

    def give_back(self, connection: Connection) -> None:
        """Its answer came whole, and the server keeps it open."""
        ...

    def forget(self, connection: Connection) -> None:
        """It is gone."""
        ...


class Connection(asyncio.Protocol):
    """One connection: one answer at a time. `asked` counts them."""

    def __init__(self, place: Place, home: Home) -> None:
        self.place = place
        self.asked = 0
        self.idle_since = 0.0  # loop time; the home's to set
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._home = home
        self._timer = Timer()
        self._parser = HttpResponseParser(self)
        # What some home-made servers send and every client takes, aiohttp among them.
        self._parser.set_dangerous_leniencies(
            lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._answer: Answer | None = None
        self._until_close = False
        self._keeps_alive = False
        self._paused = False
        self._barren_bytes = 0  # since the last piece of a body

    @property
    def usable(self) -> bool:
        """Nobody has closed it yet, as far as we can know."""
        return not self._transport.is_closing()

    def ask(self, request: bytes, *, deadlines: Deadlines, sent_at: float) -> Answer:
        """Send head and body in one write. Nothing else may be under way here."""
        self._answer = answer = Answer(self, self._timer, deadlines=deadlines, sent_at=sent_at)
        self._until_close = False
        self._barren_bytes = 0
        self.asked += 1
        self._transport.write(request)
        return answer

    def resume(self) -> None:
        """The reader has caught up."""
        if self._paused and self.usable:
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close now, whatever is under way."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.fail(ConnectionAbortedError("closed on our side"))
        self._transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has connected, and has set TCP_NODELAY."""
        self._transport = cast("asyncio.Transport", transport)
        self._home.opened(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the upstream."""
        answer = self._answer
        if answer is None:  # nobody asked, so nobody can tell what this answers
            self.abort()
            return
        answer.touched = True
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as exc:
            answer.fail(exc)  # has no effect on one that is whole already
            self.abort()
            return
        if answer.ended:
            self._finished()
        elif answer.fresh:
            self._barren_bytes = 0
            if not answer.came() and not self._paused:
                self._paused = True
                self._transport.pause_reading()
        else:
            self._barren_bytes += len(data)
            if self._barren_bytes > HEAD_BYTES_MAX:
                answer.fail(HttpParserError("too many bytes without content"))
                self.abort()

    def eof_received(self) -> None:
        """The upstream has said all it wants to; the transport closes itself after this."""
        if self._answer is not None and self._until_close:
            self._answer.end()
            self._answer = None

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of this connection, whoever ended it."""
        self._timer.stop()
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.fail(exc or EOFError("closed by the upstream"))
        self._home.forget(self)
        if not self.lost.done():
            self.lost.set_result(None)
            del self._parser  # it holds us, and nothing comes any more

    # What the parser calls. An exception here stops it with an HttpParserCallbackError.

    def on_message_begin(self) -> None:
        """The first byte of a response. One nobody asked for must not meet the next request."""
        self._asked_answer()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line, or a trailer, which nobody needs."""
        answer = self._asked_answer()
        answer.lines += 1
        if answer.lines > HEAD_LINES_MAX or len(name) + len(value) > HEAD_LINE_BYTES_MAX:
            raise HttpParserError("the head is too large")
        if not answer.status:
            answer.fields[name.lower()] = value

    def on_headers_complete(self) -> None:
        """A head is whole."""
        status = self._parser.get_status_code()
        if status < 200:
            return
        answer = self._asked_answer()
        fields = answer.fields
        answer.status = status
        self._until_close = (
            b"content-length" not in fields
            and b"chunked" not in fields.get(b"transfer-encoding", b"").lower()
        )
        answer.wake()

    def on_body(self, piece: bytes) -> None:
        """A piece of the body, without its chunk's frame."""
        answer = self._answer
        if answer is None or answer.ended:
            answer = self._asked_answer()  # which says what is wrong
        answer.add(piece)

    def on_message_complete(self) -> None:
        """The response is whole. One below 200 is only a sign that another follows."""
        answer = self._asked_answer()
        if answer.status:
            self._keeps_alive = self._parser.should_keep_alive()
            answer.end()
        else:
            answer.fields.clear()

    def _asked_answer(self) -> Answer:
        """The answer that is under way; after its end nothing may come."""
        if self._answer is None or self._answer.ended:
            raise HttpParserError("bytes after the end of the answer")
        return self._answer

    def _finished(self) -> None:
        self._answer = None
        # An answer that overtook its request leaves the connection in mid-sentence.
        if self._keeps_alive and self.usable and not self._transport.get_write_buffer_size():
            self.resume()
            self._home.give_back(self)
        else:
            self._transport.abort()
