"""Webhook and ntfy: what is sent, what counts as delivered, and what an error gives away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from twotier.errors import DeliveryError
from twotier.notify.base import Message
from twotier.notify.http import NTFY_BYTES_MAX, Ntfy, Webhook, ping

MESSAGE = Message("Title \u2713", "text", "run1:item1", {"job": "inbox"})


@dataclass
class Receiver:
    """A server that takes what is posted, and answers with `status`."""

    url: str = ""
    status: int = 200
    retry_after: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.json() if request.can_read_body else {})
        self.news.set()
        self.headers.append({key.lower(): value for key, value in request.headers.items()})
        self.paths.append(request.path)
        headers = {"location": "/elsewhere"}
        headers |= {"retry-after": self.retry_after} if self.retry_after else {}
        return web.Response(status=self.status, headers=headers)


@asynccontextmanager
async def receiving(status: int = 200) -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    receiver = Receiver(status=status)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


def test_a_webhook_gets_json_and_an_idempotency_key() -> None:
    """The key is the same for every try, so that the receiver can drop a repeat."""

    async def scenario() -> None:
        async with receiving(204) as receiver:
            await Webhook().send(f"{receiver.url}/hook", MESSAGE)
        assert receiver.bodies == [
            {
                "schema_version": 1,
                "title": "Title \u2713",
                "text": "text",
                "key": "run1:item1",
                "job": "inbox",
            }
        ]
        assert receiver.headers[0]["idempotency-key"] == "run1:item1"

    asyncio.run(scenario())


def test_ntfy_gets_its_json_format_with_the_token() -> None:
    """Posted to the server's root, the topic in the body, so that any title is possible."""

    async def scenario() -> None:
        async with receiving() as receiver:
            await Ntfy(receiver.url, "tk_123").send("blog", MESSAGE)
            long = Message("t", "\u00e9" * NTFY_BYTES_MAX, "k")
            await Ntfy(receiver.url).send("blog", long)
            await Ntfy(receiver.url).send("blog", Message("t", "half a pair: \ud83d", "k"))
        assert receiver.paths == ["/", "/", "/"]
        assert receiver.bodies[0] == {"topic": "blog", "title": "Title \u2713", "message": "text"}
        assert receiver.headers[0]["authorization"] == "Bearer tk_123"
        assert "authorization" not in receiver.headers[1]
        assert len(receiver.bodies[1]["message"].encode()) <= NTFY_BYTES_MAX + 4
        assert receiver.bodies[1]["message"].endswith("\u00e9 ...")
        assert receiver.bodies[2]["message"] == "half a pair: ?"

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [301, 400, 500])
def test_anything_but_2xx_is_not_delivered(status: int) -> None:
    """A redirect neither: it is not followed. The path, which may be a secret, is not repeated."""

    async def scenario() -> None:
        async with receiving(status) as receiver:
            with pytest.raises(
                DeliveryError, match=f"127.0.0.1 answered with status {status}"
            ) as e:
                await Webhook().send(f"{receiver.url}/secret", MESSAGE)
            assert "secret" not in str(e.value)
            assert len(receiver.bodies) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/secret", "nonsense/secret", "http:///secret", "http://[::1/secret"],
)
def test_nobody_there_is_not_delivered(url: str) -> None:
    """The sentence names the host alone."""

    async def scenario() -> None:
        with pytest.raises(DeliveryError, match="cannot be reached") as error:
            await Webhook().send(url, MESSAGE)
        assert "secret" not in str(error.value)

    asyncio.run(scenario())


def test_a_receiver_may_say_when_to_come_back_and_what_it_will_never_take() -> None:
    """A busy one is asked later; a message that is refused must not hold up the next."""

    async def scenario(status: int, after: str) -> DeliveryError:
        async with receiving(status) as receiver:
            receiver.retry_after = after
            with pytest.raises(DeliveryError) as error:
                await ping(f"{receiver.url}/secret")
            return error.value

    busy = asyncio.run(scenario(429, "90"))
    assert (busy.refused, busy.retry_after_seconds) == (False, 90.0)
    assert asyncio.run(scenario(503, "Wed, 21 Oct 2026 07:28:00 GMT")).retry_after_seconds is None
    assert asyncio.run(scenario(413, "9999999")).retry_after_seconds is None
    assert asyncio.run(scenario(413, "")).refused


def test_an_urgent_message_rings_on_ntfy() -> None:
    async def scenario() -> None:
        async with receiving() as receiver:
            for severity in ("info", "warning", "urgent"):
                await Ntfy(receiver.url).send("t", Message("t", "x", "k", {"severity": severity}))
        assert [body.get("priority") for body in receiver.bodies] == [2, None, 5]

    asyncio.run(scenario())
