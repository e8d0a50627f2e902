"""A kept server: waited for, asked where it is now, reported when it looks dead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.contract.upstreams import ReadyKeeper
from tests.providers.reading import chunks
from twotier.domain.endpoint import Endpoint, Work
from twotier.errors import (
    DeadlineError,
    RequestError,
    StreamBrokenError,
    TierUnavailableError,
    TwotierError,
    UpstreamError,
)
from twotier.providers.base import Ask, Deadlines, all_of
from twotier.providers.kept import KeptProvider
from twotier.providers.scripted import Answer, Line, Scripted

ASK = Ask(b"{}", stream=True, deadlines=Deadlines(1, 2, 3, 4))
WHOLE = Answer((b"a", b"b"), {"x": "y"})


def kept(
    script: Scripted, keeper: ReadyKeeper, *, made: list[Endpoint] | None = None
) -> KeptProvider:
    def make(endpoint: Endpoint) -> Scripted:
        if made is not None:
            made.append(endpoint)
        return script

    return KeptProvider(keeper, make, dialect="openai_chat", wait_seconds=10.0)


def test_the_keeper_is_told_what_a_request_asks() -> None:
    """By that it knows how long a silence may be."""

    async def scenario() -> None:
        keeper = ReadyKeeper("http://a")
        provider = kept(Scripted([WHOLE]), keeper)
        await provider.ask(Ask(b"{}", False, ASK.deadlines, prompt_tokens=900, holds=True))
        assert keeper.work == Work(900, whole=True, holds=True)

    asyncio.run(scenario())


async def read(provider: KeptProvider) -> bytes:
    reply = await provider.ask(ASK)
    assert (reply.status, reply.headers) == (200, {"x": "y"})
    return await all_of(reply)


def test_the_server_is_held_in_use_until_the_last_byte() -> None:
    async def scenario() -> None:
        keeper = ReadyKeeper("http://a")
        provider = kept(Scripted([WHOLE]), keeper)
        reply = await provider.ask(ASK)
        assert keeper.uses == 1
        async for _ in chunks(reply):
            assert keeper.uses == 1
        assert (keeper.uses, keeper.progress) == (0, 2)
        await reply.close()
        assert keeper.uses == 0

    asyncio.run(scenario())


def test_a_reply_that_is_dropped_lets_the_server_go() -> None:
    async def scenario() -> None:
        keeper = ReadyKeeper("http://a")
        reply = await kept(Scripted([WHOLE]), keeper).ask(ASK)
        await reply.close()
        assert (keeper.uses, keeper.suspicions) == (0, [])

    asyncio.run(scenario())


def test_each_generation_has_its_own_provider() -> None:
    async def scenario() -> None:
        made: list[Endpoint] = []
        keeper = ReadyKeeper("http://a")
        provider = kept(Scripted([WHOLE] * 3), keeper, made=made)
        await read(provider)
        await read(provider)
        keeper.endpoint = Endpoint("http://b", 2)
        await read(provider)
        assert made == [Endpoint("http://a", 1), Endpoint("http://b", 2)]

    asyncio.run(scenario())


def test_it_waits_no_longer_than_the_request_may_take_and_takes_it_off() -> None:
    class SlowKeeper(ReadyKeeper):
        async def ensure_ready(self, *, within_seconds: float) -> Endpoint:
            await asyncio.sleep(0.05)
            return await super().ensure_ready(within_seconds=within_seconds)

    async def scenario() -> None:
        keeper, script = SlowKeeper("http://a"), Scripted([WHOLE])
        await read(kept(script, keeper))
        assert keeper.within_seconds == 4
        assert script.asks[0].deadlines.total_seconds < 3.99

    asyncio.run(scenario())


def hung_up(status: int) -> UpstreamError:
    return UpstreamError("x", upstream_status=status, started=True)


@pytest.mark.parametrize(
    ("line", "suspected"),
    [
        (TierUnavailableError("refused"), True),
        (DeadlineError("late"), True),
        (hung_up(0), True),
        (hung_up(500), False),
        (RequestError("wrong"), False),
        (Answer((b"a",), {"x": "y"}, breaks=StreamBrokenError("cut")), True),
        (Answer((b"a",), {"x": "y"}, breaks=DeadlineError("idle")), True),
    ],
)
def test_what_looks_like_a_dead_server_is_told_to_the_keeper(line: Line, suspected: bool) -> None:
    async def scenario() -> None:
        keeper = ReadyKeeper("http://a")
        with pytest.raises(TwotierError):
            await read(kept(Scripted([line]), keeper))
        assert (len(keeper.suspicions), keeper.uses) == (int(suspected), 0)

    asyncio.run(scenario())


def test_a_server_that_does_not_come_up_is_not_asked() -> None:
    class NeverReady(ReadyKeeper):
        async def ensure_ready(self, *, within_seconds: float) -> Endpoint:
            raise TierUnavailableError("loading", retry_after_seconds=within_seconds)

    async def scenario() -> None:
        script, keeper = Scripted([WHOLE]), NeverReady("http://a")
        with pytest.raises(TierUnavailableError, match="loading"):
            await kept(script, keeper).ask(ASK)
        assert (script.asks, keeper.suspicions) == ([], [])

    asyncio.run(scenario())


def test_it_speaks_the_dialect_of_its_server_before_it_is_up() -> None:
    make: Callable[[Endpoint], Scripted] = lambda _: Scripted()  # noqa: E731
    provider = KeptProvider(
        ReadyKeeper("http://a"), make, dialect="anthropic_messages", wait_seconds=1
    )
    assert provider.dialect == "anthropic_messages"
