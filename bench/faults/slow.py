"""A thousand requests that never end, half of a head or half of a body, beside fifty good ones a
second: are they closed, and what do the good ones notice?
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial

import uvloop

from bench.bodies import small
from bench.faults.client import paced, share
from bench.faults.counts import Counts
from bench.faults.stand import Stand
from bench.faults.storm import PER_SECOND, pace
from bench.figures import Figure, Other
from bench.stage import MAIN, Route, Side

WINDOW_SECONDS = 65.0  # a head has 10 s, each part of a body 30 s
MILLI = 1e3
P99 = 0.99
NEVER = float("inf")
LOOK_SECONDS = 0.5
ABREAST = 50  # connections that are opened at the same time


@dataclass(frozen=True, slots=True)
class Seen:
    """Seconds until each connection was closed, `NEVER` for not; p99 of good requests before and
    during; good ones that failed; memory at the most.
    """

    heads: Sequence[float]
    bodies: Sequence[float]
    before: float
    during: float
    failed: int
    megabytes: float


def figures(stand: Stand, counts: Counts) -> Iterator[Figure]:
    """Each side in turn; who holds its connections is looked at together, to the end."""
    stand.orders.give()
    sides = [side for side, _ in stand.of("chat")]
    with ExitStack() as stack:
        for side in sides:
            stack.enter_context(side.turn())
        seen = uvloop.run(all_besieged(sides, counts))
    for of, what, aim in (("heads", "heads", "10 s"), ("bodies", "bodies", "30 s")):
        told = {name: closed(getattr(one, of)) for name, one in seen.items()}
        yield Figure(
            f"{counts.half_sent:,} half-sent {what}: closed within {WINDOW_SECONDS:.0f} s",
            f"all, in {aim}",
            told[MAIN],
            {name: Other(None, text) for name, text in told.items() if name != MAIN},
        )
    notice = {name: one.during / one.before for name, one in seen.items()}
    yield Figure(
        f"the same: p99 of {PER_SECOND:.0f} good requests a second, by what it was before",
        "< 2 x",
        p99(seen[MAIN], notice[MAIN]),
        {name: Other(None, p99(one, notice[name])) for name, one in seen.items() if name != MAIN},
    )
    memory = {name: one.megabytes for name, one in seen.items()}
    yield Figure(
        "the same: memory at the most",
        "",
        f"{memory[MAIN]:.0f} MB",
        {
            name: Other(memory[MAIN] / value, f"{value:.0f} MB")
            for name, value in memory.items()
            if name != MAIN
        },
    )


def closed(seconds: Sequence[float]) -> str:
    """In words."""
    ended = [value for value in seconds if value != NEVER]
    last = f", the last after {max(ended):.1f} s" if ended else ""
    return f"{len(ended):,} of {len(seconds):,}{last}"


def p99(seen: Seen, times: float) -> str:
    """In words."""
    failed = f", {seen.failed} failed" if seen.failed else ""
    return f"{times:.1f} x ({seen.before * MILLI:.0f} -> {seen.during * MILLI:.0f} ms){failed}"


async def all_besieged(sides: Sequence[Side], counts: Counts) -> Mapping[str, Seen]:
    """One after another, and what was sent by halves stays until it is closed."""
    sieges = {}
    async with asyncio.TaskGroup() as group:
        for side in sides:
            sieges[side.name] = await besieged(side, counts, group)
    return {name: siege() for name, siege in sieges.items()}


async def besieged(side: Side, counts: Counts, group: asyncio.TaskGroup) -> Callable[[], Seen]:
    """Good ones alone; then beside those that do not end. What was seen can be asked for once the
    group has ended.
    """
    route = side.routes["chat"]
    good = partial(
        paced,
        route.target,
        small(route.model),
        per_second=pace(side),
        seconds=counts.good_seconds,
    )
    calm = await good()
    room = asyncio.Semaphore(ABREAST)
    heads, bodies = (
        [group.create_task(held(route, part, room)) for _ in range(counts.half_sent)]
        for part in parts(route)
    )
    looking = group.create_task(peak(side, counts.good_seconds))
    heard = await good()
    return lambda: Seen(
        [task.result() for task in heads],
        [task.result() for task in bodies],
        share([one.seconds for one in calm], P99),
        share([one.seconds for one in heard], P99),
        sum(not one.good for one in heard),
        looking.result(),
    )


async def peak(side: Side, seconds: float) -> float:
    """Its memory at the most in that time, in megabytes."""
    end = time.monotonic() + seconds
    most = 0.0
    while time.monotonic() < end:
        most = max(most, side.rss_megabytes())
        await asyncio.sleep(LOOK_SECONDS)
    return most


def parts(route: Route) -> tuple[bytes, bytes]:
    """Half of a head; a head with half of its body."""
    whole = route.target.request(small(route.model))
    head = whole.index(b"\r\n\r\n")
    return whole[: head // 2], whole[: (head + len(whole)) // 2]


async def held(route: Route, part: bytes, room: asyncio.Semaphore) -> float:
    """Seconds until the other side closes, whatever it says before."""
    async with room:
        reader, writer = await asyncio.open_connection("127.0.0.1", route.target.port)
        writer.write(part)
    began = time.monotonic()
    try:
        with suppress(ConnectionError):
            async with asyncio.timeout(WINDOW_SECONDS):
                while await reader.read(4096):
                    pass
    except TimeoutError:
        return NEVER
    finally:
        writer.close()
    return time.monotonic() - began
