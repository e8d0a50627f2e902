"""Addresses, and mlx-lm's 404."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.openai_server import FakeOpenAI, Quirk
from twotier.errors import TierUnavailableError, UpstreamError
from twotier.providers.base import Ask, Deadlines
from twotier.providers.http import Transport
from twotier.providers.openai_compatible import OpenAICompatible, versioned

BODY = b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]}'
ASK = Ask(BODY, stream=False, deadlines=Deadlines(1, 2, 2, 4))


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://h:1", "http://h:1/v1/chat/completions"),
        ("http://h:1/", "http://h:1/v1/chat/completions"),
        ("http://h:1/v1", "http://h:1/v1/chat/completions"),
        ("http://h:1/v1/", "http://h:1/v1/chat/completions"),
        ("https://h/api/v4", "https://h/api/v4/chat/completions"),
        ("https://h/openai", "https://h/openai/v1/chat/completions"),
    ],
)
def test_the_base_url_is_taken_with_and_without_its_version(base_url: str, url: str) -> None:
    assert versioned(base_url) + "/chat/completions" == url


@pytest.mark.parametrize(("outage", "kind"), [(True, TierUnavailableError), (False, UpstreamError)])
def test_a_404_is_an_outage_where_the_server_is_known_for_it(
    outage: bool, kind: type[Exception]
) -> None:
    async def scenario(base_url: str) -> None:
        async with Transport() as transport:
            provider = OpenAICompatible(transport, base_url=base_url, not_found_is_outage=outage)
            with pytest.raises(kind, match="the generation thread died"):
                await provider.ask(ASK)

    with FakeOpenAI() as server:
        server.queue(Quirk.NOT_FOUND)
        asyncio.run(scenario(server.base_url))
        assert "authorization" not in server.headers[0]
