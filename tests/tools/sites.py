"""A site on loopback that redirects, packs, drips and remembers what it was asked."""

from __future__ import annotations

import asyncio
import functools
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ParamSpec

from aiohttp import web

P = ParamSpec("P")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def looped(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """A test that is a coroutine, run in a loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@dataclass
class Site:
    """`asked` holds what came: method, path with query, headers, body."""

    port: int = 0
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    pages: dict[str, Handler] = field(default_factory=dict)
    left: asyncio.Event = field(default_factory=asyncio.Event)  # a client went before the end

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def headers(self, number: int = -1) -> dict[str, str]:
        """Of one request, names in lower case."""
        return self.asked[number][2]

    def paths(self) -> list[str]:
        return [path for _, path, _, _ in self.asked]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.method, request.path_qs, headers, body))
        if page := self.pages.get(request.path):
            return await page(request)
        return web.Response(text=f"page {request.path}")


@asynccontextmanager
async def site(*, tls: ssl.SSLContext | None = None) -> AsyncIterator[Site]:
    """A site of its own on a free port, for as long as the block."""
    made = Site()
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", made.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        made.port = runner.addresses[0][1]
        yield made
    finally:
        await runner.cleanup()


def text(
    content: str | bytes, *, kind: str = "text/html", status: int = 200, **headers: str
) -> Handler:
    """A page that is always the same; header names with _ in place of -."""
    body = content.encode() if isinstance(content, str) else content
    more = {name.replace("_", "-"): value for name, value in headers.items()}

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(
            body=body, status=status, headers={"content-type": kind, **more}, zlib_executor_size=0
        )

    return answer


def to(target: str, status: int = 302) -> Handler:
    """A redirect."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"location": target})

    return answer


def packed(content: bytes) -> Handler:
    """A page that comes as gzip."""
    return text(gzip.compress(content), content_encoding="gzip")


def drip(made: Site) -> Handler:
    """A page that never ends: a byte now and then."""

    async def answer(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse()
        await reply.prepare(request)
        try:
            while True:
                await reply.write(b".")
                await asyncio.sleep(0.01)
        finally:
            made.left.set()

    return answer
