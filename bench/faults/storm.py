"""The frontier answers 429, 500 and 529: to every other request, then to all, then it is well.

Fifty requests a second all the while; ten for those of whom fifty are more than they can take when
all is well. Does what stands before it make the storm worse, how long does a client wait for its
refusal, and how soon are there answers again?
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from bench.bodies import small
from bench.faults.client import Heard, paced, share
from bench.faults.counts import Counts
from bench.faults.stand import Orders, Stand
from bench.faults.upstream import Order
from bench.figures import Figure, Other, median
from bench.stage import BARE, MAIN, Route, Side

PER_SECOND = 50.0
PER_SECOND_OF_SLOW = 10.0
CALM_SECONDS = 3.0
WELL_SECONDS_MAX = 45.0
LOOK_SECONDS = 1.0
CALM_AGAIN = 3  # looks in a row with nothing refused
MILLI = 1e3


@dataclass(frozen=True, slots=True)
class Seen:
    """Of one side. Tries are the upstream's requests by those of the clients."""

    half_tries: float
    half_good: float
    tries: float
    refused: Sequence[float]  # seconds until each refusal was heard
    statuses: Counter[int]
    recovery_seconds: float


def figures(stand: Stand, counts: Counts) -> Iterator[Figure]:
    """Each side in turn."""
    seen = {}
    for side, way in stand.of("chat_on_messages", "chat"):
        if side.name == BARE:  # it hands on what comes, and has nothing to recover from
            continue
        with side.turn():
            seen[side.name] = asyncio.run(
                weathered(stand.orders, side.routes[way], pace(side), counts)
            )
    slower = "".join(f"; {side.name} {pace(side):.0f}/s" for side in stand.sides if side.slow)
    half = f"storm, half refused, {PER_SECOND:.0f}/s{slower}"
    whole = f"storm, all refused, {counts.storm_seconds:.0f} s"
    heard = f"{whole}: until a client hears it"

    def row(name: str, aim: str, of: Callable[[Seen], float], form: str) -> Figure:
        values = {who: of(one) for who, one in seen.items()}
        ours = values[MAIN]
        beside = {
            who: Other(ours / value if value else None, form.format(value))
            for who, value in values.items()
            if who != MAIN
        }
        return Figure(name, aim, form.format(ours), beside)

    tries = "tries of the upstream a request"
    yield row(f"{half}: {tries}", "<= 1.2, and 10", lambda one: one.half_tries, "{:.2f}")
    yield row(f"{half}: answered", "", lambda one: one.half_good * 100, "{:.0f} %")
    yield row(f"{whole}: {tries}", "<= 1.2", lambda one: one.tries, "{:.2f}")
    yield row(f"{heard}, median", "< 50 ms", lambda one: median(one.refused) * MILLI, "{:.1f} ms")
    yield row(f"{heard}, p99", "", lambda one: share(one.refused, 0.99) * MILLI, "{:.0f} ms")
    codes = {who: told(one.statuses) for who, one in seen.items()}
    theirs = {who: Other(None, code) for who, code in codes.items() if who != MAIN}
    yield Figure(f"{whole}: what clients heard", "", codes[MAIN], theirs)
    well = "after the storm: until nobody is refused"
    yield row(well, "<= 35 s", lambda one: one.recovery_seconds, "{:.1f} s")


def pace(side: Side) -> float:
    """Requests a second."""
    return PER_SECOND_OF_SLOW if side.slow else PER_SECOND


def told(statuses: Counter[int]) -> str:
    """The codes, the most frequent first."""
    return ", ".join(f"{status}: {count}" for status, count in statuses.most_common(3))


async def weathered(orders: Orders, route: Route, rate: float, counts: Counts) -> Seen:
    """Calm, half, all, and calm again."""
    orders.give()
    await paced(route.target, small(route.model), per_second=rate, seconds=CALM_SECONDS)
    blowing = partial(blown, orders, route, rate)
    half, half_tries = await blowing(share=0.5, seconds=counts.half_storm_seconds)
    storm, tries = await blowing(share=1.0, seconds=counts.storm_seconds)
    orders.give()
    return Seen(
        half_tries,
        sum(one.good for one in half) / len(half),
        tries,
        [one.seconds for one in storm],
        Counter(one.status for one in storm),
        await recovered(route, rate),
    )


async def blown(
    orders: Orders, route: Route, rate: float, *, share: float, seconds: float
) -> tuple[Sequence[Heard], float]:
    """So bad for so long, until every request has its end; the tries each took."""
    orders.give(Order(share=share))
    body = small(route.model)
    heard = await paced(route.target, body, per_second=rate, seconds=seconds)
    return heard, orders.asked() / len(heard)


async def recovered(route: Route, rate: float) -> float:
    """Seconds until the last request that was still refused was sent."""
    last = at = 0.0
    calm = 0
    while calm < CALM_AGAIN and at < WELL_SECONDS_MAX:
        heard = await paced(route.target, small(route.model), per_second=rate, seconds=LOOK_SECONDS)
        bad = [at + one.at for one in heard if not one.good]
        last = bad[-1] if bad else last
        calm = 0 if bad else calm + 1
        at += max(LOOK_SECONDS, heard[-1].at)
    return last
