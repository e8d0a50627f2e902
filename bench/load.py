"""A client that costs little: fixed requests over kept connections, each as soon as the last ended.

It knows the end of an answer and its status, and nothing else of HTTP.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from bench.figures import median

ANSWER_SECONDS_MAX = 30.0
LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"
CHUNKED_END = b"\r\n0\r\n\r\n"


class LoadError(Exception):
    """An answer that is no answer: a figure of failures would be a lie."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send to, and what goes with it."""

    port: int
    path: str = "/v1/chat/completions"
    key: str = ""

    def request(self, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
        """A whole request on the wire."""
        more = {"authorization": f"Bearer {self.key}"} if self.key else {}
        lines = [
            f"POST {self.path} HTTP/1.1",
            f"host: 127.0.0.1:{self.port}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            *(f"{name}: {value}" for name, value in {**more, **(headers or {})}.items()),
        ]
        return "\r\n".join(lines).encode() + HEAD_END + body


@dataclass(frozen=True, slots=True)
class Run:
    """What one run came to."""

    seconds: float
    latencies_seconds: list[float]

    @property
    def p50_seconds(self) -> float:
        """The middle latency."""
        return median(self.latencies_seconds)

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return len(self.latencies_seconds) / self.seconds


class Connection(asyncio.Protocol):
    """One kept connection; one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._bytes = bytearray()
        self._end = -1  # of the answer, once its head is here; 0 for a chunked one
        self._answered: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(LoadError(f"the connection was closed ({exc})"))

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.close()

    async def ask(self, request: bytes) -> bytes:
        """The whole answer, head included. Raises `LoadError` if its status is not 200."""
        assert self._transport is not None
        self._bytes.clear()
        self._end = -1
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        answer = await self._answered
        if not answer.startswith(b"HTTP/1.1 200"):
            raise LoadError(answer[:1000].decode("utf-8", "replace"))
        return answer

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        if self._end < 0:
            head = self._bytes.find(HEAD_END)
            if head < 0:
                return
            length = LENGTH.search(self._bytes, 0, head)
            self._end = head + len(HEAD_END) + int(length[1]) if length else 0
        whole = len(self._bytes) >= self._end if self._end else self._bytes.endswith(CHUNKED_END)
        if whole and self._answered is not None and not self._answered.done():
            self._answered.set_result(bytes(self._bytes))


async def drive(target: Target, body: bytes, *, requests: int, connections: int = 1) -> Run:
    """Send `requests` in all over that many connections. Raises `LoadError` and TimeoutError."""
    loop = asyncio.get_running_loop()
    request = target.request(body)
    latencies: list[float] = []

    async def one(count: int) -> None:
        _, connection = await loop.create_connection(Connection, "127.0.0.1", target.port)
        try:
            for _ in range(count):
                began = time.perf_counter()
                await connection.ask(request)
                latencies.append(time.perf_counter() - began)
        finally:
            connection.close()

    began = time.perf_counter()
    async with asyncio.timeout(ANSWER_SECONDS_MAX), asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(one(requests // connections))
    return Run(time.perf_counter() - began, latencies)
