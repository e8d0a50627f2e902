"""uvicorn as a task among ours: no signal handlers of its own, and a word when it listens."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from twotier.errors import EngineError
from twotier.gateway.asgi import App

GRACE_SECONDS = 20
IDLE_CONNECTION_SECONDS = 75


class Server(uvicorn.Server):
    """One listening socket. Run `serve`, wait for `listening`, end it with `stop`."""

    def __init__(self, app: App, sock: socket.socket, *, connections_max: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                loop="none",
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=connections_max,
                timeout_keep_alive=IDLE_CONNECTION_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._sock = sock
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the main process's business."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.listening.set()

    async def run_until_stopped(self) -> None:
        """Serve until `stop`; requests in flight have `GRACE_SECONDS` to end."""
        await self.serve(sockets=[self._sock])

    def stop(self) -> None:
        """Take no new connection and end."""
        self.should_exit = True


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
