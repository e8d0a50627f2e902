"""The worker process of a simulated day: scheduler, runner and their stores, asking main."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import aiohttp

from tests.simulator.disk import PaperEngine, Steps
from tests.simulator.front import Asked, Main
from tests.simulator.loop import Clock, Loop, Universe
from twotier.agent.model import MainClient, Question, headers_of, refusal
from twotier.agent.said import Chat
from twotier.domain.job import Job
from twotier.jobs.awake import Awake
from twotier.jobs.database import Database
from twotier.jobs.delivery import Delivery
from twotier.jobs.engine import Engine
from twotier.jobs.items import ItemStore
from twotier.jobs.places import Places
from twotier.jobs.results import ResultStore
from twotier.jobs.runner import Runner, Stores
from twotier.jobs.scheduler import Scheduler
from twotier.jobs.stop import Stop
from twotier.jobs.store import RunStore
from twotier.jobs.triggers import TriggerStore
from twotier.watch.base import Around
from twotier.watch.kinds import make

CHAT = "/v1/chat/completions"


@dataclass
class Paid:
    """Which questions of runs were answered whole, over all lives; asked again, an answer must be
    the kept one.
    """

    whole: set[str] = field(default_factory=set)
    twice: list[str] = field(default_factory=list)


class Line(MainClient):
    """The product's client of main, with the virtual door in place of a socket."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker.home / "main.sock")
        self._worker = worker

    async def _post(
        self, body: Mapping[str, Any], asking: Question | Chat
    ) -> tuple[bytes, Mapping[str, str]]:
        headers = headers_of(asking)
        status, head, raw = await self._asked(json.dumps(body).encode(), headers)
        if status >= 400:
            raise refusal(status, raw, headers=head)
        key, paid = headers["idempotency-key"], self._worker.paid
        if key in paid.whole and "x-twotier-replayed" not in head:
            paid.twice.append(key)
        paid.whole.add(key)
        self._worker.told()
        return raw, head

    async def _asked(
        self, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        main = self._worker.main
        await asyncio.sleep(0.001)
        if not main.ready:
            raise ConnectionRefusedError(111, "Connection refused")
        heard: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        asked = Asked(CHAT, headers, body, self._worker.loop, heard.put_nowait)
        main.take(asked)
        status, head, raw = 0, {}, b""
        try:
            while (message := await heard.get()) is not None:
                if message["type"] == "http.response.start":
                    status = message["status"]
                    head = {name.decode(): value.decode() for name, value in message["headers"]}
                    continue
                raw += message["body"]
                if not message.get("more_body"):
                    return status, head, raw
        finally:
            main.left(asked)
        if status:
            raise aiohttp.ClientPayloadError("broken in mid-answer")
        raise aiohttp.ServerDisconnectedError

    async def _tell(self, url: str, news: Mapping[str, Any]) -> None:
        """Nothing in a simulated day is made of it."""


@dataclass
class Worker:
    """One life of it."""

    universe: Universe
    clock: Clock
    main: Main
    home: Path
    jobs: list[Job]
    steps: Steps
    paid: Paid
    life: int
    say: Callable[..., None]
    told: Callable[[], None]
    loop: Loop = field(init=False)
    ended: bool = False
    task: Any = None

    def begin(self) -> None:
        """Start it."""
        self.loop = self.universe.loop(f"worker{self.life}")
        self.task = self.loop.begin(self.run())

    async def run(self) -> None:
        """As `worker.work` puts it together."""
        self.stop = Stop()
        self.database = database = Database.open(self.home / "work.db")
        runs = RunStore(database, self.clock, owner="simulated")
        engine = cast("Engine", PaperEngine(self.steps))
        results = ResultStore(database, self.clock)
        stores = Stores(ItemStore(database, self.clock), results, engine)
        delivery = Delivery(self.home, results, channels={})
        around = Around(self.home, self.clock)
        watchers = {job.name: make(job.watch, around) for job in self.jobs if job.watch}
        runner = Runner(stores, Line(self), delivery=delivery, watchers=watchers, clock=self.clock)
        runner.awake = Awake(())
        self.scheduler = Scheduler(
            self.jobs,
            store=runs,
            triggers=TriggerStore(database, self.clock),
            runner=runner,
            places=Places({"local": 1}),
            clock=self.clock,
        )
        self.main.told.append(self._main_gone)
        self.say("worker", life=self.life)
        await self.scheduler.run(self.stop)
        database.close()
        self.say("worker stopped", because=self.stop.because)
        self.ended = True

    def _main_gone(self) -> None:
        """The connection that tells whether main lives has ended."""
        stop = self.stop
        self.loop.call_soon(lambda: stop.ask("main has gone", grace_seconds=0.5))

    def close(self) -> None:
        """When all is over: what a killed life had open."""
        if hasattr(self, "database"):
            self.database.close()

    def kill(self) -> None:
        """Kill -9: main sees its connections end."""
        self.loop.kill()
        for asked in [one for one in self.main.asked if one.loop is self.loop]:
            self.main.left(asked)
