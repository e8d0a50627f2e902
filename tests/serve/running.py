"""A real server on loopback, in a thread with a loop of its own, and raw bytes to and from it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import closing
from types import TracebackType
from typing import Any, Self

import uvloop

from twotier.clock import SystemClock
from twotier.serve import Server, tcp_socket
from twotier.serve.limits import Limits

START_SECONDS_MAX = 60.0
ANSWER_SECONDS_MAX = 60.0
Message = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]
HEAD = b"POST /v1/x?a=b HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n\r\n"


class Echo:
    """An application that answers with the body it got. What it saw stays to be looked at."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []
        self.left = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Read all of it, then answer."""
        self.scopes.append(scope)
        body, more = b"", True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    self.left.set()
                    return
                body, more = body + message["body"], message["more_body"]
        except asyncio.CancelledError:
            self.left.set()
            raise
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})


class Running:
    """A server for as long as a `with`."""

    def __init__(self, app: App, limits: Limits | None = None) -> None:
        sock = tcp_socket("127.0.0.1", 0)
        self.port: int = sock.getsockname()[1]
        self.server: Server
        self._app, self._sock, self._limits = app, sock, limits or Limits()
        self._loop: asyncio.AbstractEventLoop
        self._up = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            self.server = Server(self._app, self._sock, clock=SystemClock(), limits=self._limits)
            async with asyncio.TaskGroup() as group:
                group.create_task(self.server.run_until_stopped())
                await self.server.listening.wait()
                self._up.set()

        uvloop.run(serve())

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(START_SECONDS_MAX), "the server did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._thread.join(ANSWER_SECONDS_MAX)
        assert not self._thread.is_alive(), "the server did not end"

    def connect(self) -> socket.socket:
        """A connection that nothing was sent on."""
        return socket.create_connection(("127.0.0.1", self.port), ANSWER_SECONDS_MAX)

    def stop(self) -> None:
        """Begin to end; the second time nothing, for then the loop may be gone."""
        if not self._stopping:
            self._stopping = True
            self._loop.call_soon_threadsafe(self.server.stop)

    @property
    def connections(self) -> int:
        """How many stand now."""
        return len(self.server._connections)

    def wait_for(self, happened: Callable[[], bool]) -> None:
        """Poll until it happened."""
        until = time.monotonic() + ANSWER_SECONDS_MAX
        while not happened():
            assert time.monotonic() < until, "what the test waits for did not happen in time"
            time.sleep(0.005)

    def ask(self, data: bytes) -> bytes:
        """Send these bytes, and read until the other side closes."""
        with closing(self.connect()) as line:
            line.sendall(data)
            return rest(line)


def rest(line: socket.socket) -> bytes:
    """Everything until the other side closes."""
    heard = b""
    while part := line.recv(65536):
        heard += part
    return heard


def one(line: socket.socket) -> bytes:
    """One answer with a length, head and body; the connection stays open."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        part = line.recv(65536)
        assert part, f"closed after {heard!r}"
        heard += part
    head, _, body = heard.partition(b"\r\n\r\n")
    named = dict(part.lower().split(b": ", 1) for part in head.split(b"\r\n")[1:])
    length = int(named[b"content-length"])
    while len(body) < length:
        body += line.recv(65536)
    return head + b"\r\n\r\n" + body
