"""All parts of the worker in one process, on a clock turned by hand."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.jobs.making import HandClock
from tests.stores import laid
from tests.worker.playing_main import PlayingMain, Script, three_lines
from twotier.agent.model import MainClient
from twotier.domain.job import Job, Run
from twotier.jobs.awake import Awake
from twotier.jobs.database import Database
from twotier.jobs.delivery import Delivery
from twotier.jobs.engine import Engine
from twotier.jobs.items import ItemStore
from twotier.jobs.parts import Agents
from twotier.jobs.places import Places
from twotier.jobs.results import ResultStore
from twotier.jobs.rounds import Rounds
from twotier.jobs.runner import LEAVE, Runner, Stores
from twotier.jobs.scheduler import Scheduler
from twotier.jobs.stop import Stop
from twotier.jobs.store import ON_THE_WAY, RunStore
from twotier.jobs.triggers import TriggerStore
from twotier.notify.base import Channel
from twotier.notify.http import Ntfy, Webhook
from twotier.watch.base import Around
from twotier.watch.kinds import make

INBOX = {
    "kind": "files",
    "path": "inbox",
    "match": ("*.txt",),
    "settle_seconds": 0.0,
    "item_bytes_max": 1_000,
    "items_max": 50,
}


@dataclass(frozen=True)
class Workshop:
    """An scheduler at work, with everything a test wants to look at."""

    home: Path
    clock: HandClock
    main: PlayingMain
    scheduler: Scheduler
    runs: RunStore
    items: ItemStore
    results: ResultStore
    stop: Stop

    def drop(self, name: str, text: str = "text") -> None:
        """Put a file into the inbox."""
        (self.home / "inbox" / name).write_text(text, encoding="utf-8")

    async def by_hand(self, name: str) -> Run:
        """A run by hand, to its end."""
        run = await self.scheduler.order(name)
        return await self.scheduler.ended(run.id, within_seconds=60)

    async def all_runs(self, job: str = "") -> list[Run]:
        """Every run, oldest first."""
        return (await self.runs.latest(job=job, limit=10_000))[::-1]

    def turn(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.turn(seconds)
        self.scheduler.look()  # it may just be lying down, by the time before the turn

    async def turn_until(self, seconds: float, count: int) -> list[Run]:
        """Let time pass, then wait until there are `count` rows and none is on the way."""
        self.turn(seconds)
        return await self.settled(lambda runs: len(runs) == count)

    async def rows(self, count: int) -> None:
        """Wait until there are so many rows, on the way or not."""
        async with asyncio.timeout(60):
            while True:
                if len(await self.all_runs()) >= count:
                    return
                await asyncio.sleep(0.005)

    async def settled(
        self, enough: Callable[[list[Run]], bool], *, seconds: float = 60
    ) -> list[Run]:
        """Wait until nothing is on the way and it is enough."""
        async with asyncio.timeout(seconds):
            while True:
                going = await self.runs.latest(states=ON_THE_WAY, limit=1)
                runs = [] if going else await self.all_runs()  # which may be many
                if runs and enough(runs) and not any(run.state in ON_THE_WAY for run in runs):
                    return runs
                await asyncio.sleep(0.005)


def from_environment(place: str) -> str:
    """A secret of a test, which sets it."""
    return os.environ[place.removeprefix("env:")]


@asynccontextmanager
async def workshop(
    home: Path,
    jobs: Sequence[Job],
    *,
    clock: HandClock | None = None,
    script: Script = three_lines,
    ntfy_url: str = "http://127.0.0.1:9",
    places: Places | None = None,
    agents: Agents | None = None,
    awake: Awake | None = None,
) -> AsyncIterator[Workshop]:
    """Build it, let it work, and stop it as a kill would: nothing is finished on purpose."""
    (home / "inbox").mkdir(exist_ok=True)
    clock = clock or HandClock()
    main = PlayingMain(home / "main.sock", script)
    await main.open()
    database = Database.open(laid(home / "work.db"))
    engine = Engine.on(laid(home / "engine.db"), leave=LEAVE)
    try:
        async with MainClient(home / "main.sock") as client:
            runs = RunStore(database, clock)
            stores = Stores(ItemStore(database, clock), ResultStore(database, clock), engine)
            channels: dict[str, Channel] = {"webhook": Webhook(), "ntfy": Ntfy(ntfy_url)}
            delivery = Delivery(home, stores.results, channels=channels)
            around = Around(home, clock, secret=from_environment)
            watchers = {job.name: make(job.watch, around) for job in jobs if job.watch}
            runner = Runner(
                stores,
                client,
                delivery=delivery,
                watchers=watchers,
                clock=clock,
                agents=agents,
            )
            runner.awake = awake or runner.awake
            scheduler = Scheduler(
                jobs,
                store=runs,
                triggers=TriggerStore(database, clock),
                runner=runner,
                places=places or Places(),
                clock=clock,
            )
            rounds = Rounds(stores.results, delivery=delivery, clock=clock)
            stop = Stop()
            await engine.launch()  # its real seconds must not fall into those turned by hand
            async with asyncio.TaskGroup() as group:
                group.create_task(scheduler.run(stop))
                going_round = group.create_task(rounds.run())
                await scheduler.started.wait()
                yield Workshop(
                    home, clock, main, scheduler, runs, stores.items, stores.results, stop
                )
                going_round.cancel()
                stop.ask("the test is over", grace_seconds=0.0)
    finally:
        await engine.close()
        database.close()
        await main.close()
