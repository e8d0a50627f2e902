"""The HTTP server, as a task among ours: it says when it listens, and ends when it is told to.

A server of our own, because the one we had takes a third of what a relayed request may cost, has no
time for a head that never ends, and leaves it to the application to notice that a client has gone
(docs/decisions/http-server.md). The parser is Node's; what applications see is ASGI.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from email.utils import format_datetime
from pathlib import Path

from twotier.domain.clock import Clock
from twotier.errors import EngineError
from twotier.gateway.asgi import App
from twotier.serve.connection import Connection
from twotier.serve.cycle import Cycle
from twotier.serve.limits import Limits

log = logging.getLogger("twotier.serve")

GRACE_SECONDS = 20.0


class Server:
    """One listening socket. Run `run_until_stopped`, wait for `listening`, end it with `stop`."""

    def __init__(self, app: App, sock: socket.socket, *, clock: Clock, limits: Limits) -> None:
        self.limits = limits
        self.listening = asyncio.Event()
        self.closing = False
        self._app = app
        self._sock = sock
        self._clock = clock
        self._stopped = asyncio.Event()
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._empty = asyncio.Event()
        self._dated_until = 0.0
        self._date = b""

    async def run_until_stopped(self) -> None:
        """Serve until `stop`; requests in flight have `GRACE_SECONDS` to end."""
        loop = asyncio.get_running_loop()
        server = await self._listen(loop)
        self.listening.set()
        try:
            await self._stopped.wait()
        finally:
            self.closing = True
            server.close()
            for connection in list(self._connections):
                connection.shut()
            await self._ended()

    def stop(self) -> None:
        """Take no new connection and end."""
        self._stopped.set()

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> asyncio.AbstractServer:
        if self._sock.family == socket.AF_UNIX:
            return await loop.create_unix_server(
                lambda: Connection(self), sock=self._sock, backlog=self.limits.backlog
            )
        return await loop.create_server(
            lambda: Connection(self), sock=self._sock, backlog=self.limits.backlog
        )

    async def _ended(self) -> None:
        """Wait for those that still answer, and then wait no longer."""
        try:
            async with asyncio.timeout(GRACE_SECONDS):
                while self._connections or self._tasks:
                    self._empty.clear()
                    await self._empty.wait()
        except TimeoutError:
            log.warning("connections ended by force", extra={"count": len(self._connections)})
            for connection in list(self._connections):
                connection.abort()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # What connections ask.

    @property
    def date(self) -> bytes:
        """The date of an answer's head; written anew when the second has passed."""
        if (since := self._clock.monotonic()) >= self._dated_until:
            now = self._clock.now()
            self._dated_until = since + 1.0 - now.microsecond / 1e6
            self._date = format_datetime(now, usegmt=True).encode()
        return self._date

    def opened(self, connection: Connection) -> bool:
        """A connection stands; False where there is no room for it.

        Those without room are told so, until they are as many as those with.
        """
        self._connections.add(connection)
        count, most = len(self._connections), self.limits.connections_max
        if count > 2 * most:
            connection.abort()
        return not self.closing and count <= most

    def forget(self, connection: Connection) -> None:
        """It is gone."""
        self._connections.discard(connection)
        self._empty.set()

    def start(self, cycle: Cycle) -> asyncio.Task[None]:
        """Let the application answer; the set is the task's parent, and waits for it at the end."""
        task = asyncio.get_running_loop().create_task(self._answer(cycle))
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self.closing:
            self._empty.set()

    async def _answer(self, cycle: Cycle) -> None:
        try:
            await self._app(cycle.scope, cycle.receive, cycle.send)
        except asyncio.CancelledError:
            if not cycle.gone:
                raise
        except Exception:  # the top of a request: what is left is a defect, and must be seen
            log.exception("defect", extra={"path": cycle.scope["path"]})
        finally:
            cycle.close()


def tcp_socket(host: str, port: int) -> socket.socket:
    """A bound TCP socket. Raises `EngineError` naming the port when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as exc:
        sock.close()
        raise EngineError(
            f"cannot listen on {host}:{port} ({exc.strerror}); stop what uses it, or set"
            " gateway.port in twotier.toml"
        ) from exc
    return sock


def private_socket(path: Path) -> socket.socket:
    """A bound Unix socket only the owner can reach. An old file of that name is replaced."""
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # so that it is never open to others, not even for a moment
    try:
        sock.bind(str(path))
    finally:
        os.umask(before)
    return sock
