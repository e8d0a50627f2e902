"""F01: kill -9 of main at any moment of forty streams of both tiers.

The clients see a broken connection and never a clean end, the next main answers, and the ledger
covers the bill: what was open is charged at its bound and marked.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from itertools import count
from pathlib import Path

import pytest

from tests.faults.crowd import Ask, Seen
from tests.faults.world import SOAK, World, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]

KILLS = 50 if SOAK else 4
STREAMS = 40
DIALECTS = ("messages", "chat", "responses")


def test_a_killed_main_loses_nothing(tmp_path: Path) -> None:
    """At random moments, from the first byte of the first request to the last of the last."""
    chance = random.Random(1)
    words = count(20)
    with world(tmp_path, pace_seconds=0.02) as made:
        for _ in range(KILLS):
            asyncio.run(killed(made, words, after_seconds=chance.uniform(0.0, 1.6)))
            made.service.up()
            back = made.ask([Ask(next(words), model) for model in ("frontier", "local")])
            assert [one.seen for one in back] == [Seen.WHOLE, Seen.WHOLE], back
        made.nothing_lost()
    seen = Counter(one.seen for one in made.told)
    assert seen[Seen.BROKEN] > KILLS, seen


async def killed(made: World, words: count[int], *, after_seconds: float) -> None:
    """Forty streams, and in the midst of them the kill."""
    models = ("frontier", "local")
    asks = [Ask(next(words), models[n % 2], DIALECTS[n % 3], n % 5 > 0) for n in range(STREAMS)]
    crowd = made.crowd()
    asking = asyncio.create_task(crowd.all(asks))
    await asyncio.sleep(after_seconds)
    await asyncio.to_thread(made.service.kill)
    await asking
