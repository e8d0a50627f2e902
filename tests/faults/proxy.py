"""A TCP proxy that does to connections what networks do: cut, reset, stall, throttle, split.

What it does next stands in a queue, one plan for each request; without one bytes pass unchanged.
Counts are of the direction they name: `up` is what the caller sends, `down` is what it gets.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.fakes.serving import let_go, shut

START_SECONDS_MAX = 60.0
READ_BYTES = 65_536
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER 0: closing sends RST and drops what was not sent


@dataclass(frozen=True, slots=True)
class Plan:
    """What happens to one request. None: never.

    `cut_up`, `cut_down`: after so many bytes its connection ends, by a reset if `reset`, else
    properly. `stall_down`: after so many bytes nothing more comes. `piece`: bytes are handed on in
    pieces of at most so many, each by itself, `pause_seconds` apart.
    """

    cut_up: int | None = None
    cut_down: int | None = None
    reset: bool = False
    stall_down: int | None = None
    piece: int | None = None
    pause_seconds: float = 0.0


WHOLE = Plan()


class ChaosProxy:
    """In front of one server, in a thread with a loop of its own, for as long as a `with`."""

    def __init__(self, upstream: str) -> None:
        self._at = (urlsplit(upstream).hostname or "", urlsplit(upstream).port or 0)
        self._plans: deque[Plan] = deque()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chaos", daemon=True)
        self._open: set[asyncio.Task[None]] = set()
        self.port = 0
        self.connections = 0
        self.requests = 0

    @property
    def base_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_now(self) -> int:
        """Connections that stand."""
        return len(self._open)

    def queue(self, *plans: Plan) -> None:
        """What the next requests meet, one each."""
        self._plans.extend(plans)

    def clear(self) -> None:
        """Nothing more happens to requests than has begun."""
        self._plans.clear()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._up.wait(START_SECONDS_MAX), "the proxy did not start"
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
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._stop.wait()
        await shut(server)
        server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await let_go()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        carried = _Carried(self._next, reader, writer)
        try:
            await carried.through(*self._at)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            _end(writer, reset=carried.plan.reset)

    def _next(self) -> Plan:
        self.requests += 1
        return self._plans.popleft() if self._plans else WHOLE


class _Carried:
    """One connection. What is sent after an answer has begun is the next request, with its plan."""

    def __init__(
        self,
        plans: Callable[[], Plan],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.plan = WHOLE
        self._plans = plans
        self._reader, self._writer = reader, writer
        self._up = self._down = 0
        self._answered = True

    async def through(self, host: str, port: int) -> None:
        """Carry both ways until one side ends, or the plan does."""
        upstream, sink = await asyncio.open_connection(host, port)
        ways = {
            asyncio.create_task(self._carry_up(sink)),
            asyncio.create_task(self._carry_down(upstream)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            _end(sink, reset=self.plan.reset)
            for task in ways:
                task.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _carry_up(self, sink: asyncio.StreamWriter) -> None:
        while data := await self._reader.read(READ_BYTES):
            if self._answered:
                self.plan, self._up, self._down, self._answered = self._plans(), 0, 0, False
            keep = _room(self.plan.cut_up, self._up, len(data))
            sink.write(data[:keep])
            await sink.drain()
            self._up += keep
            if keep < len(data):
                return

    async def _carry_down(self, upstream: asyncio.StreamReader) -> None:
        while data := await upstream.read(READ_BYTES):
            self._answered, plan = True, self.plan
            ends = [at for at in (plan.cut_down, plan.stall_down) if at is not None]
            keep = _room(min(ends, default=None), self._down, len(data))
            for start in range(0, keep, plan.piece or READ_BYTES):
                self._writer.write(data[start : min(keep, start + (plan.piece or READ_BYTES))])
                await self._writer.drain()
                if plan.piece:
                    await asyncio.sleep(plan.pause_seconds)
            self._down += keep
            if keep < len(data):
                if plan.stall_down is not None:
                    await asyncio.sleep(3_600)  # ended by whoever leaves first
                return


def _room(end: int | None, carried: int, more: int) -> int:
    """How many of `more` bytes may still pass."""
    return more if end is None else max(0, min(more, end - carried))


def _end(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    raw = writer.get_extra_info("socket")
    if reset and raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        writer.transport.abort()
    else:
        writer.close()
