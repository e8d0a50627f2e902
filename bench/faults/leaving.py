"""Clients that leave while their answer is on its way: how soon does the upstream hear of it?

Every answer takes four seconds, and everybody leaves within the first, at random: before the first
token and after it, answers in one piece too. A model that goes on generating for nobody costs money
at a frontier, and a place in a local server.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.bodies import small
from bench.faults.client import share
from bench.faults.stand import MESSAGES, Stand
from bench.faults.upstream import SLOW_SECONDS, Asked
from bench.figures import Figure, Other
from bench.stage import MAIN, Route, Way

AT_ONCE = 50
LEAVE_SECONDS_MAX = 1.0
SOON_SECONDS = 1.0
SETTLE_SECONDS_MAX = 30.0
WAYS: tuple[Way, ...] = ("chat", "messages", "chat_on_messages")
SEED = 14


@dataclass(frozen=True, slots=True)
class Leaver:
    """Number `number` of those who leave, and how it asks."""

    number: int
    route: Route
    stream: bool

    def request(self) -> bytes:
        """On the wire."""
        messages = self.route.target.path == MESSAGES
        plan = f"slow bench-id:{self.number}"
        body = small(self.route.model, stream=self.stream, plan=plan, messages=messages)
        return self.route.target.request(body)


@dataclass(frozen=True, slots=True)
class Lags:
    """Seconds from leaving to the upstream's closed connection. `kept`: the upstream was let go on
    to the end of its answer. `never`: it was not even asked.
    """

    closed: Sequence[float]
    kept: int
    never: int

    @property
    def soon(self) -> float:
        """The share of those that were asked which was closed within a second."""
        asked = len(self.closed) + self.kept
        return sum(lag <= SOON_SECONDS for lag in self.closed) / asked if asked else 0.0

    def told(self) -> str:
        """In words."""
        worst = f", slowest {max(self.closed):.2f} s" if self.closed else ""
        p50 = f", median {share(self.closed, 0.5) * 1e3:.0f} ms" if self.closed else ""
        kept = f", {self.kept} went on to the end" if self.kept else ""
        return f"{self.soon * 100:.2f} % of {len(self.closed) + self.kept}{p50}{worst}{kept}"


def figures(stand: Stand, leavers: int) -> Iterator[Figure]:
    """Streams and answers in one piece, through everybody."""
    seen: dict[str, dict[bool, Lags]] = {}
    for side in (one for one, _ in stand.of("chat")):
        stand.orders.give()
        routes = [side.routes[way] for way in WAYS if way in side.routes]
        with side.turn():
            seen[side.name] = asyncio.run(left(stand, routes, leavers))
    for stream, name in ((True, "a stream"), (False, "an answer in one piece")):
        told = {who: lags[stream].told() for who, lags in seen.items()}
        yield Figure(
            f"client leaves {name}: upstream closed within 1 s",
            ">= 99.9 %",
            told[MAIN],
            {who: Other(None, text) for who, text in told.items() if who != MAIN},
        )


async def left(stand: Stand, routes: Sequence[Route], leavers: int) -> dict[bool, Lags]:
    """All of them, fifty at once; by whether they wanted a stream."""
    chance = random.Random(SEED)
    who = [Leaver(at, routes[at % len(routes)], at % 2 == 0) for at in range(leavers)]
    room = asyncio.Semaphore(AT_ONCE)
    gone: dict[int, float] = {}

    async def one(leaver: Leaver, seconds: float) -> None:
        async with room:
            gone[leaver.number] = await leave(leaver, seconds)

    async with asyncio.TaskGroup() as group:
        for leaver in who:
            group.create_task(one(leaver, chance.uniform(0.0, LEAVE_SECONDS_MAX)))
    seen = await settled(stand)
    return {
        stream: lags([leaver.number for leaver in who if leaver.stream is stream], gone, seen)
        for stream in (True, False)
    }


async def leave(leaver: Leaver, seconds: float) -> float:
    """Ask, wait so long, close. Returns when."""
    _, writer = await asyncio.open_connection("127.0.0.1", leaver.route.target.port)
    writer.write(leaver.request())
    await asyncio.sleep(seconds)
    at = time.monotonic()
    writer.close()
    return at


async def settled(stand: Stand) -> Mapping[int, Asked]:
    """What the upstream remembers, once all of it has an end."""
    end = time.monotonic() + SLOW_SECONDS + SETTLE_SECONDS_MAX
    await asyncio.sleep(SLOW_SECONDS + SOON_SECONDS)
    while True:
        told = await asyncio.to_thread(stand.orders.seen)
        seen = {int(number): Asked(**one) for number, one in told["numbered"].items()}
        if time.monotonic() > end or all(one.how != "open" for one in seen.values()):
            return seen
        await asyncio.sleep(0.5)


def lags(numbers: Sequence[int], gone: Mapping[int, float], seen: Mapping[int, Asked]) -> Lags:
    """Of these leavers."""
    asked = [number for number in numbers if number in seen]
    closed = [
        max(0.0, seen[number].ended - gone[number])
        for number in asked
        if seen[number].how == "left"
    ]
    return Lags(closed, len(asked) - len(closed), len(numbers) - len(asked))
