"""F10: the frontier answers 429, 500 and 529, first some of the time and then always.

The upstream is not asked more often than 1.2 times a request, clients hear a clear error with its
status, and when it is well again it is asked again.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import pytest

from tests.fakes.anthropic_api import Behaviour, FakeAnthropic
from tests.faults.crowd import Ask, Seen, Told
from tests.faults.world import SOAK, World, world
from twotier.router.retry import RETRIES_SAVED_MAX, RETRY_SHARE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SECONDS = 60.0 if SOAK else 8.0
PER_SECOND = 50 if SOAK else 25
TRIES_MAX = 1 + RETRY_SHARE
WELL_AGAIN_SECONDS = 60.0
BAD = (Behaviour.RATE_LIMITED, Behaviour.BROKEN, Behaviour.OVERLOADED)


class Stormy(FakeAnthropic):
    """As bad as `share` says, from a seed. `asked` counts what came, good or bad."""

    def __init__(self) -> None:
        super().__init__(retry_after="1")
        self.share = 0.0
        self.asked = 0
        self._chance = random.Random(10)

    def _behaviour(self, body: Mapping[str, Any]) -> Behaviour | None:
        self.asked += 1
        return self._chance.choice(BAD) if self._chance.random() < self.share else None


@pytest.fixture(scope="module")
def storm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One service for all of it."""
    with world(tmp_path_factory.mktemp("storm"), frontier=Stormy()) as made:
        yield made


async def paced(made: World, words: Iterator[int]) -> list[Told]:
    """So many a second, whatever becomes of those before."""
    crowd = made.crowd()
    running = []
    for _ in range(int(SECONDS * PER_SECOND)):
        running.append(asyncio.create_task(crowd.all([Ask(next(words), dialect="chat")])))
        await asyncio.sleep(1 / PER_SECOND)
    return [one for done in await asyncio.gather(*running) for one in done]


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_storm_is_not_made_worse(storm: World, share: float) -> None:
    """Tries are few, and whoever is refused hears why."""
    fake = storm.frontier
    assert isinstance(fake, Stormy)
    words = count(len(storm.told) + 10)
    before, fake.share = fake.asked, share
    told = asyncio.run(paced(storm, words))
    asked, fake.share = fake.asked - before, 0.0
    seen = Counter((one.seen, one.status) for one in told)
    # Those that were saved while all was well come once on top of it.
    assert asked <= TRIES_MAX * len(told) + RETRIES_SAVED_MAX, (asked, len(told), seen)
    assert {one for one, _ in seen} <= {Seen.WHOLE, Seen.ERROR}, seen
    assert {status for _, status in seen} <= {200, 429, 500, 503, 529}, seen
    if share == 1.0:
        assert not seen[Seen.WHOLE, 200], seen
    else:  # whoever could be answered was: an upstream that answers some is still asked
        assert seen[Seen.WHOLE, 200] >= 0.8 * (1 - share) * len(told), seen
    asyncio.run(well_again(storm, words))


async def well_again(made: World, words: Iterator[int]) -> None:
    """It is asked again, and answers."""
    async with asyncio.timeout(WELL_AGAIN_SECONDS):
        while True:
            told = await made.crowd().all([Ask(next(words))])
            if told[0].seen is Seen.WHOLE:
                return
            await asyncio.sleep(0.5)


def test_nothing_of_it_was_lost(storm: World) -> None:
    """Refused is not billed."""
    storm.nothing_lost()
