"""A real server on a real port, and raw sockets that say exactly what a test wants said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from twotier.clock import SystemClock
from twotier.gateway.asgi import App, Message, Receive, Scope, Send
from twotier.serve import Server, tcp_socket
from twotier.serve.limits import Limits

SECONDS_MAX = 10.0
QUICK = Limits(head_seconds_max=0.3, body_seconds_max=0.3, idle_seconds_max=0.3)


@dataclass
class Client:
    """One raw connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, data: bytes) -> None:
        """Send."""
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        """The next head, all of it."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self) -> tuple[int, bytes]:
        """The next answer that has a length: its status and body."""
        head = await self.head()
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        return int(head.split()[1]), await self.reader.readexactly(length)

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        return await self.reader.read()

    def leave(self) -> None:
        """Without a word."""
        self.writer.transport.abort()


@dataclass
class Place:
    """The server, and how to reach it."""

    server: Server
    port: int
    clients: list[Client] = field(default_factory=list)

    async def client(self) -> Client:
        """A new connection."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client


@asynccontextmanager
async def served(app: App, limits: Limits | None = None) -> AsyncIterator[Place]:
    """A server that runs this application."""
    sock = tcp_socket("127.0.0.1", 0)
    port = sock.getsockname()[1]
    server = Server(app, sock, clock=SystemClock(), limits=limits or Limits())
    async with asyncio.TaskGroup() as group:
        running = group.create_task(server.run_until_stopped())
        await server.listening.wait()
        place = Place(server, port)
        try:
            yield place
        finally:
            for client in place.clients:
                client.leave()
            server.stop()
            await running


def play(scenario: Callable[[], Awaitable[Any]]) -> Any:
    """Run it, and not for ever."""

    async def timed() -> Any:
        async with asyncio.timeout(SECONDS_MAX):
            return await scenario()

    return asyncio.run(timed())


def request(body: bytes = b"", *lines: str, method: str = "POST", target: str = "/x") -> bytes:
    """A whole request."""
    head = [f"{method} {target} HTTP/1.1", "host: h", *lines]
    if body:
        head.append(f"content-length: {len(body)}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with method, path, query and body."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        more = message["more_body"]
    told = f"{scope['method']} {scope['path']}?".encode() + scope["query_string"] + b" " + body
    await respond(send, told)


async def respond(send: Send, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    """A whole answer."""
    length = (b"content-length", str(len(body)).encode())
    start: Message = {"type": "http.response.start", "status": 200, "headers": [length, *headers]}
    await send(start)
    await send({"type": "http.response.body", "body": body})
