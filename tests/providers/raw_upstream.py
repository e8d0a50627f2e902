"""An upstream whose every byte the test says, and loops to run it on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import uvloop
from yarl import URL

from twotier.protocols.openai_chat import read_error
from twotier.providers.base import Ask, Deadlines, all_of
from twotier.providers.plain import PlainReply, post
from twotier.providers.plain_pool import Pool

ASK = Ask(b'{"messages": []}', stream=True, deadlines=Deadlines(2, 4, 4, 8))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
T = TypeVar("T")


def run(loop: str, scenario: Coroutine[Any, Any, T]) -> T:
    """Run it on that kind of loop."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(scenario)


class RawUpstream:
    """What one server saw, and the way to stop it."""

    def __init__(self) -> None:
        self.url = URL()
        self.connections = 0
        self.requests: list[bytes] = []
        self.asked = asyncio.Event()  # the first request is here
        self.left = asyncio.Event()  # a caller closed its connection
        self.stop: Callable[[], None] = lambda: None  # accept no more connections

    async def request(self, reader: asyncio.StreamReader) -> bool:
        """Read one request; False when the caller leaves instead."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
            return False
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        self.requests.append(head + await reader.readexactly(length))
        self.asked.set()
        return True

    async def until_left(self, reader: asyncio.StreamReader) -> None:
        """Wait for the caller to close."""
        with suppress(ConnectionError):
            await reader.read()
        self.left.set()


Serve = Callable[[RawUpstream, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve, *, host: str = "127.0.0.1") -> AsyncIterator[RawUpstream]:
    """A server on a free port that treats each connection with `serve`, then closes it."""
    upstream = RawUpstream()
    writers: list[asyncio.StreamWriter] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream.connections += 1
        writers.append(writer)
        try:
            await serve(upstream, reader, writer)
        except ConnectionError:
            upstream.left.set()
        writer.close()

    server = await asyncio.start_server(connected, host, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        upstream.stop = server.close
        upstream.url = URL(f"http://{shown}:{port}/v1/chat/completions")
        yield upstream
    for writer in writers:  # a loop that ends before its sockets leaves them open
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def answering(*responses: bytes) -> Serve:
    """Each connection answers these in turn, one to each request, and then closes."""

    async def serve(
        upstream: RawUpstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        for response in responses:
            if not await upstream.request(reader):
                return
            writer.write(response)
            await writer.drain()

    return serve


async def ask(pool: Pool, upstream: RawUpstream, asked: Ask = ASK) -> PlainReply:
    """Post and wait for the head."""
    headers = {"Content-Type": "application/json"}
    return await post(pool, upstream.url, ask=asked, headers=headers, read_error=read_error)


async def whole(pool: Pool, upstream: RawUpstream, asked: Ask = ASK) -> bytes:
    """Post and read to the end."""
    reply = await ask(pool, upstream, asked)
    try:
        return await all_of(reply)
    finally:
        await reply.close()
