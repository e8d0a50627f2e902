"""One TCP connection that speaks HTTP/1.1 as a server.

The parser is llhttp, Node's, which refuses what is ambiguous (RFC 9112). It sets no limits of its
own, so they are here, and one timer for each connection holds all its times: a request only moves
the note that the timer looks at when it rings.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, Protocol, cast
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, parse_url

from twotier.serve.cycle import STATUS_LINES, Cycle, Scope
from twotier.serve.limits import Limits

log = logging.getLogger("twotier.serve")

PIPELINE_MAX = 16
NEVER = float("inf")
VERSION = {"version": "3.0", "spec_version": "2.3"}


class Refused(Exception):  # noqa: N818 - it never leaves this module
    """The request is none we answer: a status and a sentence."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Home(Protocol):
    """Who the connections belong to."""

    limits: Limits
    closing: bool

    @property
    def date(self) -> bytes:
        """For the heads of answers."""
        ...

    def opened(self, connection: Connection) -> bool:
        """It stands; False where there is no room for it."""
        ...

    def forget(self, connection: Connection) -> None:
        """It is gone."""
        ...

    def start(self, cycle: Cycle) -> asyncio.Task[None]:
        """Let the application answer."""
        ...


class Connection(asyncio.Protocol):
    """One connection: requests are answered one after another, in the order they came."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._limits = home.limits
        self._loop = asyncio.get_running_loop()
        self._parser: HttpRequestParser | None = HttpRequestParser(self)
        self._reading: Cycle | None = None  # whose body is on its way
        self._serving: Cycle | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiting: deque[Cycle] = deque()
        self._scope: Scope = {}
        self._headers: list[tuple[bytes, bytes]] = []
        self._target = b""
        self._expects = False  # waits for our word before it sends the body
        self._head_bytes = 0
        self._unread_bytes = 0  # came, and belonged to nothing the parser has told us of yet
        self._body_bytes = 0  # of this body, since it was waited for
        self._body_from = 0.0
        self._written_bytes = 0
        self._taken = (0, 0.0)  # how many of them the client has taken, and when that was seen
        self._awaits: tuple[float, str] | None = None  # the next part, where it has not come yet
        self._due = NEVER
        self._late = ""
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._drained: asyncio.Future[None] | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client."""
        self._transport = cast("asyncio.Transport", transport)
        name, peer = (transport.get_extra_info(key) for key in ("sockname", "peername"))
        self._server = tuple(name[:2]) if isinstance(name, tuple) else (str(name), None)
        self._client = tuple(peer[:2]) if isinstance(peer, tuple) else None
        self._taken = (0, self._loop.time())
        if not self._home.opened(self):
            self._refuse(503, "too many connections at once; ask again in a moment")
            return
        self._wait_until(self._limits.idle_seconds_max, "")

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._parser is None:
            return
        # A header, a trailer or a chunk's extension that never ends grows inside the parser.
        if self._unread_bytes > self._limits.head_bytes_max:
            self._refuse(431, "the head of the request is too large; send fewer headers")
            return
        self._unread_bytes += len(data)
        self._parse(self._parser, data)

    def _parse(self, parser: HttpRequestParser, data: bytes) -> None:
        try:
            parser.feed_data(data)
        except HttpParserUpgrade as exc:
            self._pass_over(data[exc.args[0] :])
            return
        except HttpParserError as exc:
            cause = exc.__context__
            if isinstance(cause, Refused):
                self._refuse(cause.status, cause.text)
            else:
                self._refuse(400, "this is no HTTP/1.1 request")
            return
        # A request that came in one piece, as nearly all do, was waited for by nobody.
        if self._awaits is not None:
            (seconds, late), self._awaits = self._awaits, None
            self._wait_until(seconds, late)
            self._body_from = self._due - seconds
        if self._reading is not None:
            self._due = self._body_due()
        self._next()

    def _body_due(self) -> float:
        """Until when more of a body has to come; what we do not read is waited for by nobody."""
        if self._paused:
            return NEVER
        earned = self._body_bytes / self._limits.body_bytes_per_second_min
        begun = min(self._loop.time(), self._body_from + earned)
        return begun + self._limits.body_seconds_max

    def _pass_over(self, body: bytes) -> None:
        """An upgrade that nobody here knows is passed over (RFC 9110, 7.8).

        The parser takes what follows for the other protocol, so it gets the request once more, as
        one without an upgrade. Java's client asks for HTTP/2 like this with every first request.
        """
        scope = self._waiting.pop().scope
        if scope["method"] == "CONNECT":
            self._refuse(400, "this is no proxy; send the path of the address alone")
            return
        version = f" HTTP/{scope['http_version']}\r\n".encode()
        head = [f"{scope['method']} ".encode(), self._target, version]
        for name, value in self._headers:
            if name != b"upgrade":
                head += (name, b": ", value, b"\r\n")
        self._parser = parser = HttpRequestParser(self)
        self._parse(parser, b"".join((*head, b"\r\n", body)))

    def eof_received(self) -> bool:
        """The client has said all it wants to, which is how clients leave."""
        return False

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        if self._drained is None:
            self._drained = self._loop.create_future()
        if self._serving is not None:
            self._serving.slow = True

    def resume_writing(self) -> None:
        """It has caught up."""
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)
        if self._serving is not None:
            self._serving.slow = False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's
        """The end, whoever ended it."""
        if self._timer is not None:
            self._timer.cancel()
        self._parser = None
        self._waiting.clear()
        self.resume_writing()
        self._home.forget(self)
        self._lose()

    # What the parser calls. An exception here comes out of `feed_data` as its context.

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._headers = []
        self._target = b""
        self._expects = False
        self._head_bytes = self._unread_bytes = 0
        self._awaits = (self._limits.head_seconds_max, "the head of the request took too long")

    def on_url(self, piece: bytes) -> None:
        """The target, or a part of it."""
        self._target += piece
        if len(self._target) > self._limits.target_bytes_max:
            raise Refused(414, "the address is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line, or a trailer, which nobody needs."""
        if self._reading is not None:
            return
        self._head_bytes += len(name) + len(value)
        if (
            self._head_bytes > self._limits.head_bytes_max
            or len(self._headers) >= self._limits.head_lines_max
        ):
            raise Refused(431, "the head of the request is too large; send fewer headers")
        name = name.lower()
        self._headers.append((name, value))
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects = True

    def on_headers_complete(self) -> None:
        """A head is whole: the request can be answered, though its body may still be on its way."""
        parser = self._parser
        assert parser is not None  # noqa: S101 - it is what calls us
        version = parser.get_http_version()
        cycle = Cycle(
            self,
            self._scope_of(parser.get_method(), version),
            keeps_alive=version == "1.1" and parser.should_keep_alive(),
            expects=self._expects,
        )
        self._unread_bytes = 0
        if len(self._waiting) >= PIPELINE_MAX:
            raise Refused(429, "too many requests at once on one connection")
        self._reading = cycle
        self._waiting.append(cycle)
        self._body_bytes = 0
        self._awaits = (self._limits.body_seconds_max, "the body of the request took too long")

    def on_body(self, piece: bytes) -> None:
        """A piece of a body."""
        self._unread_bytes = 0
        self._body_bytes += len(piece)
        cycle = self._reading
        if cycle is None or cycle.done:
            return
        cycle.add(piece)
        if cycle.unread_bytes > self._limits.unread_bytes_max and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """A request is whole."""
        cycle, self._reading = self._reading, None
        self._unread_bytes = 0
        self._awaits, self._due = None, NEVER
        if cycle is not None:
            cycle.end()
            if cycle.done:
                self._wait_until(self._limits.idle_seconds_max, "")

    # What an cycle asks of its line.

    @property
    def date(self) -> bytes:
        """For the answer's head."""
        return self._home.date

    def write(self, data: bytes) -> None:
        """Send."""
        self._written_bytes += len(data)
        self._transport.write(data)

    async def drained(self) -> None:
        """Wait until the client has read enough."""
        if self._drained is not None:
            await asyncio.shield(self._drained)

    def wants_body(self) -> None:
        """The application reads on."""
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()
            if self._reading is not None:
                self._body_from, self._body_bytes = self._loop.time(), 0
                self._due = self._body_due()

    def answered(self, *, close: bool) -> None:
        """An answer is whole. What still comes of its request's body is read and dropped: closing
        now would reset the connection, and the client would never see the answer.
        """
        self._serving = self._task = None
        if close or self._home.closing:
            if self._reading is None:
                self._transport.close()
            else:
                self._linger()
            return
        self.wants_body()
        if self._waiting:
            self._loop.call_soon(self._next)
        elif self._reading is None:
            self._wait_until(self._limits.idle_seconds_max, "")
        elif self._reading.expects:  # without our word its body may never come, but a request may
            self._linger()

    def failed(self) -> None:
        """The application has ended without ending its answer."""
        self._serving = self._task = None
        self._transport.close()

    def shut(self) -> None:
        """The server ends: at once where nothing is under way, else after this answer."""
        if self._serving is None and not self._waiting:
            self._transport.close()
        elif self._serving is not None:
            self._serving.keeps_alive = False

    def abort(self) -> None:
        """Now."""
        self._transport.abort()

    # Its own.

    def _next(self) -> None:
        """Let the application answer the next request, if none is being answered."""
        if self._serving is None and self._waiting and not self._transport.is_closing():
            self._serving = cycle = self._waiting.popleft()
            cycle.slow = self._drained is not None
            self._task = self._home.start(cycle)

    def _scope_of(self, method: bytes, version: str) -> Scope:
        """The request as ASGI describes it."""
        url = parse_url(self._target)
        raw: bytes = url.path or b"/"
        path = raw.decode("ascii", "replace")
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": VERSION,
            "http_version": version,
            "method": method.decode("ascii"),
            "scheme": "http",
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw,
            "query_string": url.query or b"",
            "root_path": "",
            "headers": self._headers,
            "server": self._server,
            "client": self._client,
        }
        return scope

    def _refuse(self, status: int, text: str) -> None:
        """An answer to what is no request, and the end. An answer that has begun only ends."""
        begun = self._serving is not None and self._serving.started
        self._waiting.clear()
        self._lose()
        if begun or self._transport.is_closing():
            self._transport.close()
            return
        kind = b"invalid_request_error" if status < 500 else b"api_error"
        body = b'{"error":{"message":"%b","type":"%b"}}' % (text.encode(), kind)
        again = b"retry-after: 1\r\n" if status in (429, 503) else b""
        head = (
            b"content-type: application/json\r\ncontent-length: %d\r\n%bconnection: close\r\n\r\n"
        )
        self.write(STATUS_LINES[status] + head % (len(body), again) + body)
        self._linger()

    def _lose(self) -> None:
        """End the answer that is under way, if one is: nobody hears it any more."""
        serving, self._serving = self._serving, None
        if serving is not None and not serving.done:
            serving.lose()
            if self._task is not None:
                self._task.cancel()

    def _linger(self) -> None:
        """Say that nothing more comes, and drop what still does for a moment.

        Closing at once would reset the connection, and the client would not see why.
        """
        self._parser = None
        self.wants_body()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        if self._timer is not None:
            self._timer.cancel()
        self._late = ""
        self._due = self._loop.time() + self._limits.linger_seconds_max
        self._timer = self._loop.call_later(self._limits.linger_seconds_max, self._look)

    def _wait_until(self, seconds: float, late: str) -> None:
        """Note what is waited for; `late` is what a client hears that lets us wait too long."""
        self._due = self._loop.time() + seconds
        self._late = late
        # A timer that rings before it is due winds itself up again; one that would be late does not
        # help, so times of different length need a look every shortest time.
        if self._timer is None:
            self._timer = self._loop.call_later(self._limits.head_seconds_max, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        if self._stalled(now):
            self._transport.abort()
        elif self._due <= now and not self._transport.is_closing():
            self._due = NEVER
            if self._late:
                self._refuse(408, self._late)
            else:
                self._transport.close()
        if self._timer is None:  # also while it closes: what is still to be sent may not go out
            pause = min(self._limits.head_seconds_max, max(0.0, self._due - now))
            self._timer = self._loop.call_later(pause, self._look)

    def _stalled(self, now: float) -> bool:
        """Whether the client has taken nothing for too long of what is there for it."""
        unsent = self._transport.get_write_buffer_size()
        taken = self._written_bytes - unsent
        if not unsent or taken != self._taken[0]:
            self._taken = (taken, now)
        return now - self._taken[1] > self._limits.stall_seconds_max
