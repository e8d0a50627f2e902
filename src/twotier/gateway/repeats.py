"""Requests that may come twice: with an `Idempotency-Key` one is answered once, and then repeated.

A client that lost its answer sends the request again under the same key. If the first one was
answered whole, its bytes are sent again and nobody is asked or paid. While it is being answered the
second hears 409. A key that comes with another path or body is a mistake, 422. What failed, broke
off or was left by its client is not kept, so that a repetition is a new try. A key belongs to one
client. Without one nothing here happens at all.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from twotier.answers import Answers, Stored
from twotier.errors import KeyReusedError, RequestError, UnderWayError
from twotier.gateway.asgi import (
    Call,
    ClientGoneError,
    Handler,
    Message,
    Receive,
    Send,
    header,
    read_body,
)

log = logging.getLogger("twotier.gateway")
KEY = b"idempotency-key"
KEY_CHARACTERS_MAX = 255
AGAIN_SECONDS = 1.0  # told to a client whose first request is still being answered
REPLAYED = (b"x-twotier-replayed", b"true")


class Repeats:
    """Shared by all routes of a process: who is being answered, and what was."""

    def __init__(self, answers: Answers, *, body_bytes_max: int) -> None:
        self._answers = answers
        self._body_bytes_max = body_bytes_max
        self._under_way: dict[bytes, bytes] = {}  # slot: the digest of its request

    def once(self, handler: Handler) -> Handler:
        """The handler, for requests that may carry a key."""

        def answer(call: Call) -> Awaitable[None]:
            key = header(call.scope, KEY)
            return self._keyed(call, key, handler=handler) if key else handler(call)

        return answer

    async def _keyed(self, call: Call, key: str, *, handler: Handler) -> None:
        if len(key) > KEY_CHARACTERS_MAX:
            raise RequestError(f"Idempotency-Key: at most {KEY_CHARACTERS_MAX} characters")
        try:
            body = await read_body(call.scope, call.receive, bytes_max=self._body_bytes_max)
        except ClientGoneError:
            log.info("client gone before its body had arrived")
            return
        slot = digest(call.caller.client.encode(), key.encode())
        request = digest(call.scope["path"].encode(), call.scope["query_string"], body)
        stored = await self._first_or_stored(slot, request, call=call, body=body, handler=handler)
        if stored is not None:
            log.info("replayed", extra={"client": call.caller.client, "path": call.scope["path"]})
            await replay(call.send, stored)

    async def _first_or_stored(
        self, slot: bytes, request: bytes, *, call: Call, body: bytes, handler: Handler
    ) -> Stored | None:
        """The answer that is there already; None once this one was the first."""
        same(self._under_way.get(slot, request), request)
        if slot in self._under_way:
            raise UnderWayError(
                "the first request with this Idempotency-Key is still being answered; ask again",
                retry_after_seconds=AGAIN_SECONDS,
            )
        # From the question above to here nothing waits, so two of a kind cannot both pass.
        self._under_way[slot] = request
        try:
            stored = await self._answers.find(slot)
            if stored is None:
                await handler(self._listened(call, slot, request=request, body=body))
        finally:
            del self._under_way[slot]
        if stored is not None:
            same(stored.request, request)
        return stored

    def _listened(self, call: Call, slot: bytes, *, request: bytes, body: bytes) -> Call:
        """The call, with its body put back, and somebody who writes the answer down."""
        listener = Listener(call.send, self._answers, slot=slot, request=request)
        return replace(call, receive=again(body, call.receive), send=listener, heard=listener.hear)


class Listener:
    """Passes an answer on and keeps it, if it becomes whole, before its last byte goes out.

    So a client that has all of it can be sure to get it again, however we die.
    """

    def __init__(self, send: Send, answers: Answers, *, slot: bytes, request: bytes) -> None:
        self._send = send
        self._answers = answers
        self._slot = slot
        self._request = request
        self._whole: Callable[[], bool] | None = None
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._bytes = 0

    def hear(self, whole: Callable[[], bool]) -> None:
        """There is an answer, and this tells whether it is whole."""
        self._whole = whole

    async def __call__(self, message: Message) -> None:
        """One ASGI message."""
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message["headers"])
        else:
            self._take(message.get("body", b""))
            if not message.get("more_body"):
                await self._keep()
        await self._send(message)

    def _take(self, piece: bytes) -> None:
        self._bytes += len(piece)
        if self._bytes <= self._answers.bounds.bytes_max:
            self._pieces.append(piece)
        else:  # it will not be kept, so it need not be held
            self._pieces.clear()

    async def _keep(self) -> None:
        if self._whole is None or not self._whole():
            return
        if self._bytes > self._answers.bounds.bytes_max:
            return
        body = b"".join(self._pieces)
        stored = Stored(self._request, self._status, self._headers, body)
        await self._answers.keep(self._slot, stored)


def same(known: bytes, request: bytes) -> None:
    """Raises `KeyReusedError` unless both are digests of one request."""
    if known != request:
        raise KeyReusedError(
            "this Idempotency-Key was used for another request; use a new key for each"
        )


def digest(*parts: bytes) -> bytes:
    """One value for all of them; what they hold cannot be read from it."""
    seen = hashlib.sha256()
    for part in parts:
        seen.update(len(part).to_bytes(8, "big") + part)
    return seen.digest()


def again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more, and then whatever comes after it."""
    bodies = [body]

    async def from_start() -> Message:
        if bodies:
            return {"type": "http.request", "body": bodies.pop(), "more_body": False}
        return await receive()

    return from_start


async def replay(send: Send, stored: Stored) -> None:
    """The same answer, byte for byte, and a header that says so."""
    headers = [*stored.headers, REPLAYED]
    await send({"type": "http.response.start", "status": stored.status, "headers": headers})
    await send({"type": "http.response.body", "body": stored.body})
