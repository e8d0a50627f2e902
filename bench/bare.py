"""The least that our own stack can cost: uvicorn in front, aiohttp behind, and nothing between.

    python bare.py PORT UPSTREAM_PORT

No key, no decision, no ledger row, no log, no deadlines. What twotier costs above this is twotier;
what this costs above the direct call is the stack.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp
import uvicorn
from yarl import URL

Message = MutableMapping[str, Any]


class Bare:
    """An ASGI application that forwards bodies both ways."""

    def __init__(self, upstream_port: int) -> None:
        self._url = URL(f"http://127.0.0.1:{upstream_port}/v1/chat/completions")
        self._session: aiohttp.ClientSession | None = None

    async def __call__(
        self,
        _scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(),
            )
        headers = {"content-type": "application/json"}
        async with self._session.post(self._url, data=body, headers=headers) as response:
            kind = response.headers["content-type"].encode()
            head = [(b"content-type", kind)]
            if length := response.headers.get("content-length"):
                head.append((b"content-length", length.encode()))
            await send({"type": "http.response.start", "status": response.status, "headers": head})
            async for chunk in response.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


if __name__ == "__main__":
    uvicorn.run(
        Bare(int(sys.argv[2])),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_level="error",
        access_log=False,
    )
