"""A port beside the first one: answered where it is free, else an alert, and tried again.

An older server had it, and its clients still ask there. The first port decides whether the program
starts; this one never does, because whoever has it now may be that very server, about to end.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

from twotier.domain.alert import Alert
from twotier.errors import EngineError
from twotier.serve import Server, tcp_socket

log = logging.getLogger("twotier.serve")

RETRY_SECONDS = 2.0


class AlsoServer:
    """`Server` on a port that somebody else may have. `make` builds it round a bound socket."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        make: Callable[[socket.socket], Server],
        stranger: Callable[[int], str],
        alert: Callable[[Alert], None],
    ) -> None:
        self.address = f"{host}:{port}"
        self.because = ""  # why it is not answered, empty while it is
        self.listening = asyncio.Event()
        self._at = (host, port)
        self._make = make
        self._stranger = stranger
        self._alert = alert
        self._server: Server | None = None
        self._stopped = asyncio.Event()

    async def run_until_stopped(self) -> None:
        """Serve until `stop`, from when the port is free."""
        while not self._stopped.is_set():
            if sock := await self._bound():
                self._server = self._make(sock)
                self.listening.set()
                await self._server.run_until_stopped()
                return
            self.listening.set()  # nobody waits for a stranger to leave
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._stopped.wait()

    def stop(self) -> None:
        """Take no new connection and end."""
        self._stopped.set()
        if self._server is not None:
            self._server.stop()

    async def _bound(self) -> socket.socket | None:
        """The port, if we can have it; said once if not."""
        try:
            sock = tcp_socket(*self._at)
        except EngineError:
            if not self.because:
                said = await asyncio.to_thread(self._stranger, self._at[1])
                self.because = f"{said}; tried again every {RETRY_SECONDS:.0f} s"
                self._alert(Alert("gateway", "port", f"also_ports: {said}"))
            return None
        if self.because:
            log.info("a port of also_ports is free now", extra={"at": self.address})
        self.because = ""
        return sock
