"""F14: clients leave at any moment; F24: a stop in the midst of a hundred streams.

Upstreams are closed, nothing stays reserved, descriptors are as many as before.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Iterator
from itertools import count

import aiohttp
import psutil
import pytest

from tests.faults.crowd import PATHS, Ask, Crowd, Seen
from tests.faults.world import SOAK, World, world
from tests.story.service import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]

LEAVERS = 2_000 if SOAK else 150
AT_ONCE = 50
STREAMS = 100


@pytest.fixture
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Answers of some seconds."""
    with world(tmp_path_factory.mktemp("leaving"), pace_seconds=0.02) as made:
        yield made


async def left(crowd: Crowd, ask: Ask, *, after_seconds: float) -> None:
    """Ask, and go away in the midst of it."""
    async with aiohttp.ClientSession() as session:
        try:
            async with (
                asyncio.timeout(after_seconds),
                session.post(
                    crowd.address + PATHS[ask.dialect],
                    json=ask.body,
                    headers={"authorization": f"Bearer {crowd.key}"},
                ) as reply,
            ):
                await reply.read()
        except TimeoutError:
            return


async def all_left(crowd: Crowd, asks: list[Ask], chance: random.Random) -> None:
    """Fifty at once, each for its own while."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(ask: Ask, seconds: float) -> None:
        async with room:
            await left(crowd, ask, after_seconds=seconds)

    await asyncio.gather(*(one(ask, chance.uniform(0.0, 1.0)) for ask in asks))


def test_whoever_leaves_takes_the_upstream_along(slow: World) -> None:
    """Both tiers, whole and streamed; afterwards all is as it was, and the bill is covered."""
    words, models = count(60), ("frontier", "local")
    slow.ask([Ask(next(words), model) for model in models])
    assert slow.service.process is not None
    process = psutil.Process(slow.service.process.pid)
    before = process.num_fds()
    asks = [Ask(next(words), models[n % 2], "chat", n % 4 > 0) for n in range(LEAVERS)]
    asyncio.run(all_left(slow.crowd(), asks, random.Random(14)))
    eventually(lambda: not [row for row in slow.frontier.bill if row.outcome == "open"])
    eventually(lambda: process.num_fds() <= before + 8, what="descriptors are given back")
    cut = Counter(row.outcome for row in slow.frontier.bill)
    assert cut["cut"] > LEAVERS // 8, cut
    slow.nothing_lost()


def test_a_stop_ends_every_stream_or_says_that_it_did_not(slow: World) -> None:
    """TERM to main with a hundred streams: no new work, whole answers or errors, exit code 0."""
    words = count(60)
    asks = [
        Ask(next(words), ("frontier", "local")[n % 2], ("messages", "chat")[n // 2 % 2])
        for n in range(STREAMS)
    ]

    async def scenario() -> None:
        asking = asyncio.create_task(slow.crowd().all(asks, at_once=STREAMS))
        await asyncio.sleep(1.5)
        assert slow.service.process is not None
        slow.service.process.send_signal(signal.SIGTERM)
        await asking

    asyncio.run(scenario())
    assert slow.service.process is not None
    assert slow.service.process.wait(60) == 0
    seen = Counter(one.seen for one in slow.told)
    assert seen[Seen.LIE] == 0, seen
    assert seen[Seen.WHOLE] > 0, seen
    slow.service.up()
    slow.nothing_lost()
