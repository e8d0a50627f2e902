"""Main's own control API, asked in this process: the answer is the one the command line gets."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from twotier.build.worker_peer import document
from twotier.gateway.asgi import App, Message


@dataclass(frozen=True, slots=True)
class MainPeer:
    """The control application, without a socket between. `streams` are its paths that answer line
    by line: who begins one, given the body.
    """

    app: App
    streams: Mapping[str, Callable[[bytes], AsyncGenerator[bytes]]] = field(default_factory=dict)

    async def get(self, path: str, query: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The document at a path below `/control`. Raises what main says."""
        asked = {key: value for key, value in (query or {}).items() if value not in (None, "")}
        return await self._ask("GET", path, query=urlencode(asked), body=b"")

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The answer to a document. Raises the same."""
        return await self._ask("POST", path, query="", body=json.dumps(body or {}).encode())

    def lines(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[bytes]:
        """The lines of a path that streams. Raises what main says to the question."""
        return self.streams[path](json.dumps(body).encode())

    async def _ask(self, method: str, path: str, *, query: str, body: bytes) -> dict[str, Any]:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"main"), (b"content-type", b"application/json")],
        }
        answer = _Answer()

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, receive, answer.send)
        return document(answer.status, bytes(answer.body))


class _Answer:
    """What the application said."""

    def __init__(self) -> None:
        self.status = 500
        self.body = bytearray()

    async def send(self, message: Message) -> None:
        """Its head, or a piece of its body."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.body += message.get("body", b"")
