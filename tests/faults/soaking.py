"""Mixed load for hours, and one fault after the other from a seed.

The kinds of faults come in bags: each once before one comes again. Main and worker are killed in
the first tenth alone, so that a life is left that is long enough to be measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.fakes.anthropic_api import Behaviour
from tests.fakes.openai_server import Quirk
from tests.faults.crowd import PATHS, Ask, Seen, Told
from tests.faults.measured import Life
from tests.faults.proxy import Plan
from tests.faults.soak_world import SoakWorld
from tests.story.service import eventually
from twotier.errors import TwotierError

MODELS = ("frontier", "frontier", "frontier", "local", "local", "lan", "lan", "auto")
DIALECTS = ("messages", "chat", "responses")
WORDS_MAX = 120
LEAVE_SHARE = 0.08
MASS = 30
KILLS = ("kill main", "kill worker")
KINDS = (
    *KILLS,
    "kill local",
    "hang local",
    "reset",
    "cut",
    "stall",
    "split",
    "storm",
    "early end",
    "reload",
    "leave",
)
PAGES = ("", "decisions", "spend", "jobs", "jobs/inbox", "approvals", "local", "setup")
SETTLE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Length:
    """How long and how hard, in seconds and requests a second."""

    seconds: float
    rate: float
    fault_seconds: float = 60.0
    sample_seconds: float = 10.0


def kinds(seed: int, count: int) -> list[str]:
    """The faults in their order: kills of main and worker in the first tenth, at least once."""
    chance, found = random.Random(seed), list[str]()
    while len(found) < count:
        bag = [kind for kind in KINDS if kind not in KILLS or len(found) <= count // 10]
        chance.shuffle(bag)
        found += bag
    return found[:count]


@dataclass
class Soak:
    """One run of it. `say` is told what happens, line by line."""

    world: SoakWorld
    length: Length
    seed: int
    say: Callable[[str], None]
    lives: list[Life] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    back_seconds: list[float] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    pages: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._began = time.monotonic()
        self._asking: set[asyncio.Task[None]] = set()
        self._crowd = self.world.crowd()
        self._away = asyncio.Event()  # while main is killed and starts anew
        self.sent = 0

    @property
    def at(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    @property
    def over(self) -> bool:
        """Whether the load has ended."""
        return self.at >= self.length.seconds

    async def run(self) -> None:
        """The load and all that goes on beside it, then quiet until everything has settled."""
        async with asyncio.TaskGroup() as group:
            for part in (self._load, self._break, self._drop, self._browse, self._sample):
                group.create_task(part())
        self.world.fair()
        await asyncio.gather(*self._asking)
        await self._settled()

    # Load.

    async def _load(self) -> None:
        while not self.over:
            await asyncio.sleep(self._chance.expovariate(self.length.rate))
            leaves = self._chance.random() < LEAVE_SHARE
            self._begin(self._chance.uniform(0.0, 1.0) if leaves else None)

    def _begin(self, leave_seconds: float | None) -> None:
        ask = Ask(
            self._chance.randint(5, WORDS_MAX),
            self._chance.choice(MODELS),
            self._chance.choice(DIALECTS),
            self._chance.random() < 0.7,
        )
        self.sent += 1
        task = asyncio.create_task(self._ask(ask, leave_seconds))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(self, ask: Ask, leave_seconds: float | None) -> None:
        """Whole, or until it leaves. Who waits for more than a minute has found a hang."""
        crowd = self._crowd
        try:
            if leave_seconds is None:
                await crowd.all([ask])
                return
            headers = {"authorization": f"Bearer {crowd.key}"}
            with contextlib.suppress(TimeoutError, aiohttp.ClientError, ConnectionError):
                async with (
                    aiohttp.ClientSession() as session,
                    asyncio.timeout(leave_seconds),
                    session.post(
                        crowd.address + PATHS[ask.dialect], json=ask.body, headers=headers
                    ) as reply,
                ):
                    await reply.read()
        except TimeoutError:
            self._note(f"hang: {ask.model} {ask.dialect} stream={ask.stream}")

    # What breaks.

    async def _break(self) -> None:
        count = max(1, int(self.length.seconds / self.length.fault_seconds) - 1)
        for kind in kinds(self.seed, count):
            await asyncio.sleep(self.length.fault_seconds * self._chance.uniform(0.8, 1.2))
            if self.over:
                return
            self.faults[kind] += 1
            self.say(f"{self.at / 60:7.1f} min  {kind:12} {self.short()}")
            try:
                await self._do(kind)
            except (TwotierError, AssertionError, OSError) as exc:
                self._note(f"{kind}: {exc!r}")

    async def _do(self, kind: str) -> None:
        does: dict[str, Callable[[], Awaitable[None]]] = {
            "kill main": self._kill_main,
            "kill worker": self._kill_worker,
            "kill local": lambda: self._signal_local(signal.SIGKILL),
            "hang local": lambda: self._signal_local(signal.SIGSTOP),
            "storm": self._storm,
            "early end": self._early_end,
            "reload": self._reload,
            "leave": self._leave,
        }
        await (does[kind]() if kind in does else self._network(kind))

    async def _network(self, kind: str) -> None:
        at = [self._chance.randint(60, 2_000) for _ in range(6)]
        plans = {
            "reset": [Plan(cut_down=n, reset=True) for n in at],
            "cut": [Plan(cut_down=n) for n in at],
            "stall": [Plan(stall_down=n) for n in at[:2]],
            "split": [Plan(piece=7) for _ in at],
        }[kind]
        self.world.before_frontier.queue(*plans)
        self.world.before_lan.queue(*plans)

    async def _storm(self) -> None:
        self.world.frontier.share = 0.8
        await asyncio.sleep(self.length.fault_seconds / 3)
        self.world.frontier.share = 0.0

    async def _early_end(self) -> None:
        both = (Behaviour.CLEAN_CUT, Behaviour.OVERLOADED_IN_STREAM, Behaviour.CUT)
        self.world.frontier.queue(*both)
        self.world.lan.queue(Quirk.CLEAN_CUT, Quirk.CUT, Quirk.ERROR_IN_STREAM)

    async def _reload(self) -> None:
        service = self.world.service
        await asyncio.to_thread(self._worker_ready)
        good = service.config.read_text(encoding="utf-8")
        service.config.write_text(good + "\n[tiers.local\n", encoding="utf-8")
        await asyncio.to_thread(service.command, "job", "reload", code=2)
        service.config.write_text(good + "\n", encoding="utf-8")
        await asyncio.to_thread(service.command, "job", "reload")

    def _worker_ready(self) -> None:
        service, seconds = self.world.service, self.world.service.wait_seconds
        ready = lambda: service.status()["worker"]["state"] == "ready"  # noqa: E731
        eventually(ready, seconds=seconds, what="the worker is ready")

    async def _leave(self) -> None:
        for _ in range(MASS):
            self._begin(self._chance.uniform(0.05, 0.6))

    async def _signal_local(self, sig: signal.Signals) -> None:
        if pid := self.world.local_pid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sig)

    async def _kill_worker(self) -> None:
        if pid := self.world.pids().get("worker"):
            os.kill(pid, signal.SIGKILL)
            await asyncio.to_thread(self._worker_ready)

    async def _kill_main(self) -> None:
        self._away.set()
        await asyncio.to_thread(self.world.service.kill)
        began = time.monotonic()
        await asyncio.to_thread(self.world.service.up, ready="")
        self._crowd = self.world.crowd()
        while True:
            told = (await self._crowd.all([Ask(5, "lan")]))[0]
            self.sent += 1
            if told.seen is Seen.WHOLE:
                break
            await asyncio.sleep(0.05)
        self.back_seconds.append(round(time.monotonic() - began, 2))
        self._away.clear()

    # Beside it.

    async def _drop(self) -> None:
        while not self.over:
            self.world.drop()
            await asyncio.sleep(self.length.fault_seconds)

    async def _browse(self) -> None:
        """A browser that looks at page after page, the overview's stream open."""
        while not self.over:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
                async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as jar:
                    await self._looked(jar)
            await asyncio.sleep(1.0)

    async def _looked(self, jar: aiohttp.ClientSession) -> None:
        address = self._crowd.address
        try:
            code = await asyncio.to_thread(self.world.service.main.post, "/control/dashboard")
        except TwotierError:
            return  # main is away
        form, origin = {"code": str(code["code"])}, {"origin": address}
        async with jar.post(f"{address}/ui/login", data=form, headers=origin) as reply:
            self.pages[reply.status] += 1
        async with jar.get(f"{address}/ui/live/", timeout=aiohttp.ClientTimeout(600)) as live:
            for page in PAGES:
                until = time.monotonic() + self.length.fault_seconds / 6
                while time.monotonic() < until and not self.over:
                    await asyncio.wait_for(live.content.readline(), 60)
                async with jar.get(f"{address}/ui/{page}") as reply:
                    self.pages[reply.status] += 1
                    if reply.status >= 400 and not self._away.is_set():
                        self._note(f"/ui/{page}: {reply.status} {(await reply.text())[:200]}")

    async def _sample(self) -> None:
        while not self.over:
            with contextlib.suppress(TwotierError):
                pids = await asyncio.to_thread(self.world.pids)
                for name, pid in pids.items():
                    self._life(name, pid).look(self.at)
            await asyncio.sleep(self.length.sample_seconds)

    def _life(self, name: str, pid: int) -> Life:
        for life in self.lives:
            if (life.name, life.pid) == (name, pid):
                return life
        self.lives.append(Life(name, pid))
        return self.lives[-1]

    def short(self) -> str:
        """How it stands, in a line."""
        seen = Counter(str(one.seen) for one in self.world.told)
        last = {life.name: life.samples[-1] for life in self.lives if life.samples}
        held = ", ".join(
            f"{name} {one.rss_megabytes:.0f} MB {one.descriptors} fds {one.threads} threads"
            for name, one in last.items()
        )
        return f"{dict(seen)} {held}"

    def _note(self, what: str) -> None:
        self.trouble.append(f"{self.at / 60:.1f} min: {what}")
        self.say(f"  TROUBLE {self.trouble[-1]}")

    # The end.

    async def _settled(self) -> None:
        """Until every file has its answer and each tier answers again, or the time is over."""
        until = time.monotonic() + SETTLE_SECONDS + 2 * self.length.fault_seconds
        waits = {"frontier", "local", "lan"}
        while (waits or self.world.missing()) and time.monotonic() < until:
            for model in sorted(waits):
                told: Told = (await self._crowd.all([Ask(7, model)]))[0]
                self.sent += 1
                if told.seen is Seen.WHOLE:
                    waits.discard(model)
            await asyncio.sleep(1.0)
        if waits:
            self._note(f"not well again: {sorted(waits)}")

    def told(self, warm_up_seconds: float) -> dict[str, Any]:
        """As JSON, without what was lost: that is known when all of it is down."""
        seen = Counter(f"{one.ask.model} {one.seen}" for one in self.world.told)
        return {
            "seed": self.seed,
            "minutes": round(self.at / 60, 1),
            "rate": self.length.rate,
            "requests": self.sent,
            "seen": dict(sorted(seen.items())),
            "faults": dict(self.faults),
            "faulted": self.faults.total(),
            "main_back_seconds": self.back_seconds,
            "files": len(self.world.dropped),
            "pages": {str(status): n for status, n in self.pages.items()},
            "lives": [life.told(warm_up_seconds) for life in self.lives if life.samples],
            "trouble": self.trouble,
        }
