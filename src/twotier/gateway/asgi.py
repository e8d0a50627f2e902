"""The few pieces of ASGI the model routes need, without a framework on the hot path.

The routes a person or a script looks at use Starlette; a model call must not pay for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

from twotier.domain.task import Caller
from twotier.errors import DeadlineError, RequestError, TooLargeError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = (b"content-type", b"application/json")
EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")
BODY_SECONDS_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was admitted, and the ways to hear from its client and to answer it."""

    scope: Scope
    receive: Receive
    send: Send
    caller: Caller


Handler = Callable[[Call], Awaitable[None]]


class ClientGoneError(Exception):
    """The client left; nobody waits for the answer any more."""


def header(scope: Scope, name: bytes) -> str:
    """The value of a request header (`name` in lower case), or an empty string."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return ""


async def read_body(scope: Scope, receive: Receive, *, bytes_max: int) -> bytes:
    """The whole body. Raises `TooLargeError`, `DeadlineError` or `ClientGoneError`."""
    declared = header(scope, b"content-length")
    if declared.isdecimal() and int(declared) > bytes_max:
        raise too_large(bytes_max)
    parts: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            while more:
                message = await receive()
                part, more = body_part(message)
                parts.append(part)
                size += len(part)
                more = more and size <= bytes_max
    except TimeoutError as exc:
        raise DeadlineError(f"the body did not arrive within {BODY_SECONDS_MAX:.0f} s") from exc
    if size > bytes_max:
        raise too_large(bytes_max)
    if not size:
        raise RequestError("the body is empty; send a JSON object")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def body_part(message: Message) -> tuple[bytes, bool]:
    """One part of a body and whether there is more. Raises `ClientGoneError`."""
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message.get("body", b""), bool(message.get("more_body"))


def too_large(bytes_max: int) -> TooLargeError:
    """The one sentence for it."""
    return TooLargeError(
        f"the body is larger than {bytes_max} bytes; shorten it or raise gateway.body_bytes_max"
    )


def encode(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Header pairs for ASGI. What a header cannot carry is replaced, line breaks above all."""
    return [
        (
            name.encode("latin-1"),
            value.replace("\r", " ").replace("\n", " ").encode("latin-1", "replace"),
        )
        for name, value in headers
    ]


async def respond(
    send: Send, status: int, *, body: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    """A whole answer at once."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def gone(receive: Receive) -> None:
    """Return once the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
