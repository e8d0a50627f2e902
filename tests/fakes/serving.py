"""A real HTTP server on loopback, in a thread with a loop of its own, for as long as a `with`."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from aiohttp import web

START_SECONDS_MAX = 60.0


class Served:
    """Serves `application()`. A client that leaves cancels its handler.

    `port` is a free one, unless it is set before the `with`: to one where another has served.
    """

    def __init__(self) -> None:
        self.port = 0
        self.peers: set[object] = set()  # one for each connection that carried a request
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    def note_peer(self, request: web.Request) -> None:
        """Remember the connection of a request."""
        assert request.transport is not None
        self.peers.add(request.transport.get_extra_info("peername"))

    @property
    def base_url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def application(self) -> web.Application:
        """What is served."""
        raise NotImplementedError

    def wait_for(self, happened: Callable[[], bool], *, seconds: float = 60.0) -> None:
        """Poll until it happened; fails after `seconds`."""
        until = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < until, "what the fake waits for did not happen in time"
            time.sleep(0.005)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(START_SECONDS_MAX), "the fake did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_SECONDS_MAX)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _serve(self) -> None:
        runner = web.AppRunner(
            self.application(), handler_cancellation=True, access_log=None, shutdown_timeout=0.1
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        await site.start()
        self.port = runner.addresses[0][1]
        self._up.set()
        await self._stop.wait()
        assert isinstance(site._server, asyncio.Server)
        await shut(site._server)
        await runner.cleanup()
        await let_go()


async def shut(server: asyncio.Server) -> None:
    """Let nobody in any more, and those who are half in wholly: asyncio forgets the socket of one
    whose server is closed between the two.
    """
    for listening in server.sockets:
        server.get_loop().remove_reader(listening.fileno())
    for _ in range(3):
        await asyncio.sleep(0)


async def let_go() -> None:
    """End every connection that this loop still has: it ends itself in a moment, and a closed one
    whose other side takes no more would wait for it longer than that.
    """
    loop = asyncio.get_running_loop()
    for transport in list(loop._transports.values()):  # type: ignore[attr-defined]
        transport.abort()
    for _ in range(2):
        await asyncio.sleep(0)
