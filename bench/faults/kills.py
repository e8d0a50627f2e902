"""kill -9 amid forty streams, again and again: how soon is there an answer, and what is lost?

Afterwards `tests/faults/invariant.py` compares twotier's ledger with the frontier's own bill, and
what every client saw. A gateway without a database keeps nothing that could be compared.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench import peers
from bench.bodies import small
from bench.faults.client import ask, session
from bench.faults.counts import Counts
from bench.faults.stand import AMPLE, chosen, upstream
from bench.figures import Figure, Other, missing, spread
from bench.gateways import Gateway
from bench.load import Target
from bench.service import Service
from bench.stage import Route, Way
from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI
from tests.faults.crowd import Ask, Crowd, Seen, Told
from tests.faults.invariant import nothing_lost
from tests.story.service import FRONTIER, LOCAL_SERVER

STREAMS = 40
PACE_SECONDS = 0.02
MOMENT_SECONDS_MAX = 1.6
DIALECTS = ("messages", "chat", "responses")
MODELS = ("frontier", "local")
AGAIN_SECONDS = 0.01
ANSWER_SECONDS_MAX = 90.0
SEED = 1
WAYS: tuple[Way, ...] = ("chat_on_messages", "chat")


@dataclass(frozen=True, slots=True)
class Killed:
    """Seconds from each start to the first answer; what the clients saw; what N says, empty for
    that it holds.
    """

    starts: Sequence[float]
    seen: Counter[Seen]
    lost: str


class Paced(FakeAnthropic):
    """Answers of some seconds; `brisk`: at once, as an answer's length is no part of a start."""

    brisk = False

    @property
    def pace_seconds(self) -> float:
        """Between two events."""
        return 0.0 if self.brisk else PACE_SECONDS


def figures(folder: Path, counts: Counts) -> Iterator[Figure]:
    """Ours as often as it says, the peers some times."""
    folder.mkdir(parents=True)
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # a main that is killed
    ours = killed(folder / "twotier", counts.kills)
    theirs, left_out = others(folder / "peers", counts.kills_of_peers)
    yield Figure(
        f"kill -9 in {STREAMS} streams, {counts.kills} times: from the start to an answer",
        "<= 2 s",
        f"{spread(ours.starts, '.2f')} s",
        {name: Other(None, f"{spread(many, '.1f')} s") for name, many in theirs.items()},
    )
    clients = ", ".join(f"{kind}: {many}" for kind, many in ours.seen.most_common())
    yield Figure("the same: what the clients saw", "0 lies", clients)
    yield Figure(
        "the same: ledger, bill, clients, databases (nothing lost)",
        "holds",
        ours.lost or "holds",
        dict.fromkeys(theirs, Other(None, "nothing to compare: no database")),
    )
    for who, why in left_out.items():
        yield missing(f"kill -9: {who}", why)


def killed(folder: Path, kills: int) -> Killed:
    """twotier between the fakes of the tests, which keep a bill."""
    # Each question has its own price.
    chance, words, few = random.Random(SEED), count(2 * kills + 20), count(1)
    told: list[Told] = []
    starts: list[float] = []
    with (
        Paced() as frontier,
        FakeOpenAI(pace_seconds=PACE_SECONDS) as local,
    ):
        tiers = (
            LOCAL_SERVER.format(base_url=local.base_url),
            FRONTIER.format(base_url=frontier.base_url),
        )
        service = Service(folder, *tiers, AMPLE, cache=folder / "cache", key=frontier.key)
        with service:
            service.wait_ready(*MODELS)
            for _ in range(kills):
                asyncio.run(cut(service, told, words, after=chance.uniform(0, MOMENT_SECONDS_MAX)))
                frontier.brisk = True
                began = time.monotonic()
                service.up()
                asyncio.run(answered(service, few))
                starts.append(time.monotonic() - began)
                frontier.brisk = False
        lost = ""
        try:
            nothing_lost(service.paths.state, frontier.bill, told=told)
        except AssertionError as exc:
            lost = str(exc)[:200]
    return Killed(starts, Counter(one.seen for one in told), lost)


def crowd(service: Service, told: list[Told]) -> Crowd:
    """Clients, and where they keep what they saw."""
    return Crowd(f"http://127.0.0.1:{service.port}", service.key, told)


async def cut(service: Service, told: list[Told], words: count[int], *, after: float) -> None:
    """Forty streams of both tiers in three dialects, and in their midst the kill."""
    asks = [Ask(next(words), MODELS[n % 2], DIALECTS[n % 3], n % 5 > 0) for n in range(STREAMS)]
    asking = asyncio.create_task(crowd(service, told).all(asks))
    await asyncio.sleep(after)
    await asyncio.to_thread(service.kill)
    await asking


async def answered(service: Service, few: count[int]) -> None:
    """A frontier's answer."""
    end = time.monotonic() + ANSWER_SECONDS_MAX
    while time.monotonic() < end:
        told = (await crowd(service, []).all([Ask(next(few))]))[0]
        if told.seen is Seen.WHOLE:
            return
        await asyncio.sleep(AGAIN_SECONDS)
    raise TimeoutError(f"no answer within {ANSWER_SECONDS_MAX:.0f} s of the start")


def others(folder: Path, kills: int) -> tuple[Mapping[str, Sequence[float]], Mapping[str, str]]:
    """Seconds to an answer of each peer, started, killed and started again."""
    seen: dict[str, Sequence[float]] = {}
    left_out: dict[str, str] = {}
    with upstream() as orders:
        for gateway in chosen():
            found = gateway.found(peers.folder())
            if found is None:
                continue
            try:
                seen[gateway.name] = [
                    restarted(gateway, found, folder / f"{gateway.name}-{at}", orders.port)
                    for at in range(kills)
                ]
            except (TimeoutError, OSError) as exc:
                left_out[gateway.name] = str(exc)[:200]
    return seen, left_out


def restarted(gateway: Gateway, found: Path, home: Path, port: int) -> float:
    """Seconds from its start to its first answer; it is killed then."""
    began = time.monotonic()
    one = peers.start(gateway, found, home, port)
    try:
        while not one.answers():
            if one.process.poll() is not None or time.monotonic() > began + ANSWER_SECONDS_MAX:
                raise TimeoutError("it does not listen")
            time.sleep(AGAIN_SECONDS)
        routes = one.plan.routes(one.port)
        route = next(routes[way] for way in WAYS if way in routes)
        asyncio.run(good(route, until=began + ANSWER_SECONDS_MAX))
        return time.monotonic() - began
    finally:
        one.kill()


async def good(route: Route, *, until: float) -> None:
    """An answer."""
    target: Target = route.target
    async with session() as client:
        while await ask(client, target, small(route.model)) != 200:
            if time.monotonic() > until:
                raise TimeoutError("it does not answer")
            await asyncio.sleep(AGAIN_SECONDS)
