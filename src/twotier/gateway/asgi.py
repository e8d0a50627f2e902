"""The few pieces of ASGI the model routes need, without a framework on the hot path.

The routes a person or a script looks at use Starlette; a model call must not pay for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import msgspec

from twotier.domain.task import Caller
from twotier.errors import RequestError, TooLargeError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = (b"content-type", b"application/json")
EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")


class Call(msgspec.Struct, frozen=True):
    """One request that was admitted, and the ways to hear from its client and to answer it.

    `heard` is told of an answer, before its first byte goes out, how to ask whether it is whole.
    """

    scope: Scope
    receive: Receive
    send: Send
    caller: Caller
    heard: Callable[[Callable[[], bool]], None] | None = None


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
    """The whole body. Raises `TooLargeError` or `ClientGoneError`; its time is the server's."""
    declared = header(scope, b"content-length")
    if declared.isdecimal() and int(declared) > bytes_max:
        raise too_large(bytes_max)
    parts: list[bytes] = []
    size, more = 0, True
    while more and size <= bytes_max:
        part, more = body_part(await receive())
        parts.append(part)
        size += len(part)
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
            # Nearly all can be printed, and then nothing has to be looked for.
            (value if value.isprintable() else printable(value)).encode("latin-1", "replace"),
        )
        for name, value in headers
    ]


def printable(value: str) -> str:
    """The value without line breaks and other signs that steer something."""
    return "".join(one if one.isprintable() else " " for one in value)


async def respond(
    send: Send, status: int, *, body: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    """A whole answer at once."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
