"""Keys: checked before they are sent, cut out of what comes back."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI, Raw
from twotier.errors import TierUnavailableError, UpstreamError
from twotier.providers.anthropic import Anthropic
from twotier.providers.base import Ask, Deadlines
from twotier.providers.http import Transport
from twotier.providers.openai_compatible import OpenAICompatible

ASK = Ask(b'{"messages": []}', stream=False, deadlines=Deadlines(1, 2, 2, 4))


@pytest.mark.parametrize("key", ["", "  \n", "two\nlines", "schlüssel"])
def test_without_a_usable_key_nothing_is_sent(key: str) -> None:
    async def scenario(base_url: str) -> None:
        async with Transport() as transport:
            for provider in (
                Anthropic(transport, base_url=base_url, key=lambda: key),
                OpenAICompatible(transport, base_url=base_url, key=lambda: key),
            ):
                with pytest.raises(TierUnavailableError) as caught:
                    await provider.ask(ASK)
                assert "key" in caught.value.message
                assert "lines" not in caught.value.message

    with FakeAnthropic() as server:
        asyncio.run(scenario(server.base_url))
        assert server.headers == []


def test_a_key_is_asked_at_every_call_and_trimmed() -> None:
    keys = iter([" sk-ant-fake-0001\n", "sk-ant-wrong"])

    async def scenario(base_url: str) -> UpstreamError:
        async with Transport() as transport:
            provider = Anthropic(transport, base_url=base_url, key=lambda: next(keys))
            with pytest.raises(UpstreamError) as first:
                await provider.ask(ASK)
            assert first.value.upstream_status == 400  # it passed the door, the body is empty
            with pytest.raises(UpstreamError) as second:
                await provider.ask(ASK)
            return second.value

    with FakeAnthropic() as server:
        error = asyncio.run(scenario(server.base_url))
    assert (error.upstream_status, error.upstream_kind) == (401, "authentication_error")


def test_a_server_that_quotes_the_key_does_not_get_it_into_our_errors() -> None:
    body = b'{"error": {"message": "Incorrect API key provided: sk-secret", "type": "auth"}}'

    async def scenario(base_url: str) -> UpstreamError:
        async with Transport() as transport:
            provider = OpenAICompatible(transport, base_url=base_url, key=lambda: "sk-secret")
            with pytest.raises(UpstreamError) as caught:
                await provider.ask(ASK)
            return caught.value

    with FakeOpenAI() as server:
        server.queue(Raw((body,), status=401, headers={"retry-after": "3"}))
        error = asyncio.run(scenario(server.base_url))
    assert "sk-secret" not in error.message
    assert "[key]" in error.message
    assert (error.upstream_status, error.retry_after_seconds) == (401, 3.0)
