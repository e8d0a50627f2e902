"""F01: kill -9 of main at any moment of forty streams of both tiers.

The clients see a broken connection and never a clean end, the next main answers, and the ledger
covers the bill: what was open is charged at its bound and marked. A third of them name no tier: the
local answer is held until it was looked at, some end early and are asked of the frontier, and are
killed in that too.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import Counter
from itertools import count
from pathlib import Path

import pytest

from tests.fakes.openai_server import Quirk
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
    seconds: list[float] = []
    with world(tmp_path, pace_seconds=0.02) as made:
        for _ in range(KILLS):
            asyncio.run(killed(made, words, after_seconds=chance.uniform(0.0, 1.6)))
            made.local.unqueue()
            began = time.monotonic()
            made.service.up()
            back = made.ask([Ask(next(words), model) for model in ("frontier", "local")])
            seconds.append(time.monotonic() - began)
            assert [one.seen for one in back] == [Seen.WHOLE, Seen.WHOLE], back
        made.nothing_lost()
    seen = Counter(one.seen for one in made.told)
    assert seen[Seen.BROKEN] > KILLS, seen
    middle = statistics.median(seconds)
    print(f"{KILLS} kills: answers again after {middle:.1f} s, at most {max(seconds):.1f}")  # noqa: T201


async def killed(made: World, words: count[int], *, after_seconds: float) -> None:
    """Forty streams, and in the midst of them the kill."""
    models = ("frontier", "local", "auto")
    asks = [
        Ask(next(words), models[n % 3], DIALECTS[n // 3 % 3], n % 5 > 0) for n in range(STREAMS)
    ]
    made.local.queue(*(Quirk.CLEAN_CUT, None, None, None) * 3)
    crowd = made.crowd()
    asking = asyncio.create_task(crowd.all(asks))
    await asyncio.sleep(after_seconds)
    await asyncio.to_thread(made.service.kill)
    await asking
