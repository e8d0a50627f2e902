"""What a browser hears before a page of an allowed origin asks."""

from __future__ import annotations

import asyncio
from typing import Any

from twotier.gateway.cors import preflight, sharing

SCOPE: dict[str, Any] = {
    "headers": [
        (b"access-control-request-headers", b"x-api-key"),
        (b"access-control-request-private-network", b"true"),
    ]
}


def test_a_preflight_is_allowed_what_it_asks_for() -> None:
    """For its origin alone; 204 has neither a body nor a length (RFC 9110, 8.6)."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(preflight(SCOPE, sharing(send, "https://a.example")))
    headers = dict(sent[0]["headers"])
    assert sent[0]["status"] == 204
    assert headers[b"access-control-allow-origin"] == b"https://a.example"
    assert headers[b"access-control-allow-headers"] == b"x-api-key"
    assert headers[b"access-control-allow-private-network"] == b"true"
    assert b"content-length" not in headers
    assert sent[1]["body"] == b""
