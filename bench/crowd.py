"""A thousand streams at once, a chunk a second each: are they all whole, and what do they cost?

Every chunk arrives by itself and goes on by itself, so the CPU time of a chunk here is the one that
a model's tokens cost.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import uvloop

from bench.bodies import small
from bench.figures import Figure, Other
from bench.load import LoadError, check, connect
from bench.stage import DIRECT, MAIN, Side, Stage
from bench.upstream import PLANS

STREAMS = 1_000
START_SECONDS = 1.0  # they begin within this time, at random
LOOK_SECONDS = 0.5
SECONDS_MAX = 45.0
PLAN = PLANS["crowd"]
# Proxies without any knowledge of models hold them as nothing; each would take 20 s of the run.
LEFT_OUT = (DIRECT, "nginx", "envoy")
MICRO = 1e6


@dataclass(frozen=True, slots=True)
class Seen:
    """How many were whole, the most memory on the way, CPU time of one chunk, and the times to the
    first words of those that were whole.
    """

    whole: int
    megabytes: float
    cpu_micro: float
    firsts_seconds: Sequence[float] = ()


def crowd(stage: Stage) -> Iterator[Figure]:
    """One after the other."""
    sides = [side for side in stage.of("chat") if side.name not in LEFT_OUT]
    seen = {}
    for side in sides:
        with side.turn():
            seen[side.name] = uvloop.run(watched(side))
    ours = seen.pop(MAIN)

    def beside(of: str) -> dict[str, Other]:
        values = {name: float(getattr(one, of)) for name, one in seen.items()}
        mine = float(getattr(ours, of))
        return {
            name: Other(mine / value if value else None, f"{value:.0f}")
            for name, value in values.items()
        }

    name = f"{STREAMS:,} streams of {PLAN.chunks} chunks, one a second"
    yield Figure(f"{name}: whole", f"{STREAMS:,}", f"{ours.whole:,}", beside("whole"))
    yield Figure(f"{name}: memory", "<= 250 MB", f"{ours.megabytes:.0f} MB", beside("megabytes"))
    yield Figure(f"{name}: CPU a chunk", "", f"{ours.cpu_micro:.0f} us", beside("cpu_micro"))


async def watched(side: Side, count: int = STREAMS) -> Seen:
    """All of them through one side."""
    route = side.routes["chat"]
    request = route.target.request(small(route.model, stream=True, plan="crowd"))
    firsts: list[float] = []
    most = 0.0

    async def one() -> None:
        await asyncio.sleep(random.random() * START_SECONDS)
        began = time.perf_counter()
        try:
            connection = await connect(route.target)
            try:
                answer = await connection.ask(request)
            finally:
                connection.close()
            check(answer, PLAN.chunks)
        except (LoadError, OSError):
            return
        firsts.append(connection.first - began)

    async def look() -> None:
        nonlocal most
        while True:
            most = max(most, side.rss_megabytes())
            await asyncio.sleep(LOOK_SECONDS)

    before = side.cpu_seconds()
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(look())
        streams = [group.create_task(one()) for _ in range(count)]
        _, late = await asyncio.wait(streams, timeout=SECONDS_MAX)
        for task in (looking, *late):
            task.cancel()
    used = side.cpu_seconds() - before
    return Seen(len(firsts), most, used / (count * PLAN.chunks) * MICRO, firsts)
