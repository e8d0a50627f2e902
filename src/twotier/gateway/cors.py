"""What a browser is told so that a page of an allowed origin may read our answers (CORS).

Without `gateway.allowed_origins` none of this happens: a page may then send what a browser sends
unasked, which the door refuses, and can read nothing.
"""

from __future__ import annotations

from twotier.gateway.asgi import Message, Scope, Send, header

PREFLIGHT_SECONDS = b"600"


def is_preflight(scope: Scope) -> bool:
    """A browser's own question before the page's request; it never carries a key."""
    return scope["method"] == "OPTIONS" and bool(header(scope, b"access-control-request-method"))


async def preflight(scope: Scope, send: Send) -> None:
    """Yes, with the headers it asks for; who may come in is decided when the request comes."""
    headers = [
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-max-age", PREFLIGHT_SECONDS),
    ]
    if wanted := header(scope, b"access-control-request-headers"):
        headers.append((b"access-control-allow-headers", wanted.encode("latin-1")))
    if header(scope, b"access-control-request-private-network"):
        headers.append((b"access-control-allow-private-network", b"true"))
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def sharing(send: Send, origin: str) -> Send:
    """The way to a client whose page may read the answer and all its headers."""
    allowed = [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", b"*"),
        (b"vary", b"origin"),
    ]

    async def shared(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *allowed]
        await send(message)

    return shared
