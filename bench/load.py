"""A client that costs little: fixed requests over kept connections, each as soon as the last ended.

It knows the end of an answer, its status and its first word, and nothing else of HTTP.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from bench.figures import median

RUN_SECONDS_MAX = 60.0
# Rows and log lines are written behind: with these all work of a run is counted in it.
SETTLE_SECONDS = 0.1
MICRO = 1e6
LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
HEAD_END = b"\r\n\r\n"
CHUNKED_END = b"\r\n0\r\n\r\n"
WORD = b'"word '  # as each chunk of the upstream holds it, in both dialects


class LoadError(Exception):
    """An answer that is no answer: a figure of failures would be a lie."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send to, and what goes with it."""

    port: int
    path: str = "/v1/chat/completions"
    key: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(self, body: bytes) -> bytes:
        """A whole request on the wire."""
        more = {"authorization": f"Bearer {self.key}"} if self.key else {}
        lines = [
            f"POST {self.path} HTTP/1.1",
            f"host: 127.0.0.1:{self.port}",
            "content-type: application/json",
            f"content-length: {len(body)}",
            *(f"{name}: {value}" for name, value in {**more, **self.headers}.items()),
        ]
        return "\r\n".join(lines).encode() + HEAD_END + body


@dataclass(frozen=True, slots=True)
class Run:
    """What one run came to. Of streams also the times to the first word, and how many words came
    in all. `cpu_seconds` is what was used by whoever the run watched.
    """

    seconds: float
    latencies_seconds: list[float]
    firsts_seconds: list[float] = field(default_factory=list)
    words: int = 0
    cpu_seconds: float = 0.0

    @property
    def p50_seconds(self) -> float:
        """The middle latency."""
        return median(self.latencies_seconds)

    @property
    def first_p50_seconds(self) -> float:
        """The middle time to the first word."""
        return median(self.firsts_seconds)

    @property
    def cpu_micro(self) -> float:
        """CPU time of one request in microseconds."""
        return self.cpu_seconds / len(self.latencies_seconds) * MICRO

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return len(self.latencies_seconds) / self.seconds


class Connection(asyncio.Protocol):
    """One kept connection; one request at a time. `first` and `last` are when the first word and
    the end of its latest answer came.
    """

    def __init__(self) -> None:
        self.first = 0.0
        self.last = 0.0
        self._transport: asyncio.Transport | None = None
        self._bytes = bytearray()
        self._end = -1  # of the answer, once its head is here; 0 for a chunked one
        self._answered: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            came = bytes(self._bytes[-300:])
            self._answered.set_exception(LoadError(f"closed ({exc}) after {came!r}"))

    def close(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.close()

    async def ask(self, request: bytes) -> bytes:
        """The whole answer, head included. Raises `LoadError` if its status is not 200."""
        assert self._transport is not None
        self._bytes.clear()
        self._end = -1
        self.first = 0.0
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
        if self._end:
            whole = len(self._bytes) >= self._end
        else:
            if not self.first and self._bytes.find(WORD) >= 0:
                self.first = time.perf_counter()
            whole = self._bytes.endswith(CHUNKED_END)
        if whole and self._answered is not None and not self._answered.done():
            self.last = time.perf_counter()
            self._answered.set_result(bytes(self._bytes))


async def connect(target: Target) -> Connection:
    """A connection of its own."""
    loop = asyncio.get_running_loop()
    return (await loop.create_connection(Connection, "127.0.0.1", target.port))[1]


@dataclass(frozen=True, slots=True)
class Load:
    """So many requests, or as many as begin within `seconds`, over so many connections.

    Before them each connection sends its share of `warm` requests that do not count. `words` is
    what each answer must have where it is streamed.
    """

    requests: int
    connections: int = 1
    seconds: float = RUN_SECONDS_MAX
    warm: int = 0
    words: int = 0


async def drive(
    target: Target, body: bytes, load: Load, *, watch: Callable[[], float] | None = None
) -> Run:
    """Send it. `watch` tells CPU seconds. Raises `LoadError` and TimeoutError."""
    request = target.request(body)
    latencies: list[float] = []
    firsts: list[float] = []
    left = iter(range(load.requests))

    async def send(connection: Connection) -> None:
        for _ in left:
            began = time.perf_counter()
            if began > end:
                return
            answer = await connection.ask(request)
            latencies.append(connection.last - began)
            if connection.first:
                firsts.append(connection.first - began)
            if load.words:
                check(answer, load.words)

    async def warm(connection: Connection) -> None:
        for _ in range(-(-load.warm // load.connections)):
            await connection.ask(request)

    async with asyncio.timeout(RUN_SECONDS_MAX):
        opened = [await connect(target) for _ in range(load.connections)]
        try:
            await each(opened, warm)
            before = watch() if watch else 0.0
            began = time.perf_counter()
            end = began + load.seconds
            await each(opened, send)
            took = time.perf_counter() - began
        finally:
            for connection in opened:
                connection.close()
    if watch is None:
        return Run(took, latencies, firsts, load.words * len(latencies))
    await asyncio.sleep(SETTLE_SECONDS)
    return Run(took, latencies, firsts, load.words * len(latencies), watch() - before)


def check(answer: bytes, words: int) -> None:
    """Every word came. Raises `LoadError`."""
    # A word may be cut by the frames of the body, which each gateway sets as it likes.
    if answer.count(WORD) != words and (came := unframed(answer).count(WORD)) != words:
        raise LoadError(f"{came} words of {words}, at the end {answer[-300:]!r}")


def unframed(answer: bytes) -> bytes:
    """The body of a chunked answer."""
    at = answer.index(HEAD_END) + len(HEAD_END)
    pieces = []
    while size := int(answer[at : (line := answer.index(b"\r\n", at))], 16):
        pieces.append(answer[line + 2 : line + 2 + size])
        at = line + 2 + size + 2
    return b"".join(pieces)


async def each(
    connections: Iterable[Connection], work: Callable[[Connection], Coroutine[None, None, None]]
) -> None:
    """All of them at the same time; the first that fails ends the others."""
    async with asyncio.TaskGroup() as group:
        for connection in connections:
            group.create_task(work(connection))
