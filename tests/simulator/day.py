"""One simulated day from its seed: everything begins, is disturbed, ends, and is looked at."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from tests.faults.crowd import Seen
from tests.simulator.checks import check
from tests.simulator.disk import SteppedWriter, Steps
from tests.simulator.front import FRONTIER, Main
from tests.simulator.loop import Clock, Loop, Universe
from tests.simulator.machine import Child, Machine
from tests.simulator.people import Person, Question, Told
from tests.simulator.plan import DAY_SECONDS, Act, Plan, plan_of
from tests.simulator.upstreams import Frontier, Local, Served
from tests.simulator.wire import Net
from tests.simulator.work import Paid, Worker
from tests.stores import laid
from twotier.errors import LedgerError
from twotier.supervisor.policy import State

RESTART_SECONDS = (0.5, 5.0)
KILL_LATEST_SECONDS = 20.0
QUIET_SECONDS = 120.0
OVER_SECONDS_MAX = 6 * 3_600.0
ON_THE_WAY = "SELECT count(*) FROM runs WHERE state IN ('due', 'running', 'waiting-approval')"


@dataclass
class Day:
    """See the module. `planted` is a bug on purpose: the checks have to find it."""

    seed: int
    home: Path
    planted: str = ""
    trace: list[str] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    lives: list[Main] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    steps: Steps = field(default_factory=Steps)
    paid: Paid = field(default_factory=Paid)
    dropped: int = 0
    over: bool = False
    over_soon: bool = False
    lifted_ms: int = 1 << 62
    at_rest: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """The world, before anything of ours runs in it."""
        self.plan: Plan = plan_of(self.seed, home=str(self.home))
        self.universe = Universe(Random(f"day {self.seed}"))
        self.universe.before_step = self._look_at_kills
        self.clock = Clock(self.universe, self.plan.start)
        self.net = Net(self.universe)
        self.frontier = Frontier(self.universe, self.plan.frontier_faults, self.say)
        self.local = Local(self.universe, self.plan.local_faults, self.say)
        self.frontier.seconds = self.local.seconds = self.plan.event_seconds
        self.machine = Machine(self.universe, self.net, self.local, self.say)
        self.outside = self.machine.loop
        self.net.listen(FRONTIER, self.outside, lambda: Served(self.frontier))
        self._wrong: list[Exception] = []
        self._aimed: dict[str, Act] = {}
        self.frontier.told = self._billed
        self._armed: list[tuple[Loop, int, float, Callable[[], None]]] = []

    def say(self, event: str, /, **facts: object) -> None:
        """A line of the trace."""
        told = "".join(f" {name}={value}" for name, value in facts.items())
        told = told.replace(str(self.home), "HOME").replace("\n", "\\n")
        self.trace.append(f"{self.universe.now:12.4f} {event}{told}")

    @property
    def digest(self) -> str:
        """What two runs of one seed have in common: everything."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()

    def run(self) -> None:
        """All of it. Raises `AssertionError` with what is not as it must be."""
        for name in ("ledger.db", "work.db"):
            laid(self.home / name)
        for name in ("inbox", "out"):
            (self.home / name).mkdir()
        self._start_main()
        for question in self.plan.questions:
            self.outside.call_at(question.at, self._ask, question)
        for at in self.plan.drops:
            self.outside.call_at(at, self._drop)
        for act in self.plan.acts:
            self.outside.call_at(act.at, self._act, act)
        self.outside.call_at(DAY_SECONDS, lambda: self._outside(self._evening()))
        try:
            self.universe.run(lambda: self.over or bool(self._wrong or self.universe.defects))
            for wrong in self._wrong:
                raise wrong
            check(self)
        finally:
            self.machine.over = True
            ended: list[Main | Worker | Machine] = [*self.lives, *self.workers, self.machine]
            for one in ended:
                if one.loop.alive:
                    one.loop.kill()
                one.loop.bury()
                one.close()
            SteppedWriter.full = False

    def _outside(self, work: Coroutine[Any, Any, None]) -> None:
        """Something outside of the program. What goes wrong there ends the day."""

        async def done() -> None:
            try:
                await work
            except Exception as exc:  # noqa: BLE001 - raised again by `run`
                self._wrong.append(exc)

        self.outside.begin(done())

    # -- processes begin

    @property
    def main(self) -> Main:
        """The one that lives, or the last one."""
        return self.lives[-1]

    @property
    def worker(self) -> Worker:
        """The same."""
        return self.workers[-1]

    def _start_main(self) -> None:
        made = Main(
            self.universe,
            self.clock,
            self.machine,
            self.home,
            self.plan.budgets,
            len(self.lives) + 1,
            self.say,
        )
        self.lives.append(made)
        made.planted = self.planted
        made.begin()
        made.task.add_done_callback(lambda _: self._main_ended(made))
        self._soon(self._start_worker)

    def _main_ended(self, main: Main) -> None:
        """It stopped by itself: a service manager starts it anew."""
        if main.loop.alive and not self.over_soon:
            error = main.task.exception()
            full = isinstance(error, LedgerError) and SteppedWriter.full
            if error and not full:  # who stops while the disk is full says so, and ends badly
                self.universe.defects.append(f"main ended with {error!r}")
            main.kill()
            self._soon(self._start_main)

    def _start_worker(self) -> None:
        if self.over or (self.workers and self.worker.loop.alive):
            return
        if not self.main.ready:
            self._soon(self._start_worker)
            return
        made = Worker(
            self.universe,
            self.clock,
            self.main,
            self.home,
            list(self.plan.jobs),
            self.steps,
            self.paid,
            len(self.workers) + 1,
            self.say,
            self._answered,
        )
        self.workers.append(made)
        if len(self.workers) == 1:
            self.counted_from = self.clock.true()
        made.begin()
        made.task.add_done_callback(lambda _: self._worker_ended(made))

    def _worker_ended(self, worker: Worker) -> None:
        if worker.loop.alive and not self.over_soon:
            if error := worker.task.exception():
                self.universe.defects.append(f"worker ended with {error!r}")
            worker.kill()
            self._soon(self._start_worker)

    def _soon(self, what: Callable[[], None]) -> None:
        seconds = self.universe.chance.uniform(*RESTART_SECONDS)
        self.outside.call_at(self.universe.now + seconds, what)

    # -- what happens in the day

    def _ask(self, question: Question) -> None:
        async def asks() -> None:
            self.told.append(await Person(question, self.say).ask(self.main))

        self.say("asks", number=question.number, model=question.model, words=question.words)
        self._outside(asks())

    def _drop(self) -> None:
        path = self.home / "inbox" / f"{self.dropped:03d}.txt"
        self.dropped += 1
        path.write_text(f"news {self.dropped}", encoding="utf-8")
        seconds = self.clock.true().timestamp()
        os.utime(path, (seconds, seconds))
        self.say("dropped", name=path.name)

    def _act(self, act: Act) -> None:
        self.say("act", what=act.what, steps=act.steps, seconds=act.seconds)
        ends_at = act.at + act.seconds
        match act.what:
            case "kill main":
                self._arm(self.main.loop, act, self._kill_main)
            case "kill worker" if self.workers and self.worker.loop.alive:
                self._arm(self.worker.loop, act, self._kill_worker)
            case "kill main billed" | "kill worker answered":
                self._aimed[act.what] = act
            case "stop main":
                self.main.loop.inside(self.main.stopping.set)
            case "disk full":
                SteppedWriter.full = True
                self.outside.call_at(ends_at, self._room)
            case "clock":
                self.clock.stepped += timedelta(seconds=act.seconds)
            case "crash loop":
                self.machine.crashing = True
                self.outside.call_at(ends_at, self._calm)
        if (child := self.machine.child) is not None:
            befalls(child, act.what)

    def _calm(self) -> None:
        self.machine.crashing = False

    def _room(self) -> None:
        SteppedWriter.full = False

    def _arm(self, loop: Loop, act: Act, kill: Callable[[], None]) -> None:
        latest = self.universe.now + KILL_LATEST_SECONDS
        self._armed.append((loop, loop.count + act.steps, latest, kill))

    def _billed(self) -> None:
        """The frontier has said its last word: what of it is on disk yet?"""
        if act := self._aimed.pop("kill main billed", None):
            self._arm(self.main.loop, act, self._kill_main)

    def _answered(self) -> None:
        """A run has its answer, and it is noted nowhere yet."""
        if act := self._aimed.pop("kill worker answered", None):
            self._arm(self.worker.loop, act, self._kill_worker)

    def _look_at_kills(self) -> None:
        for one in self._armed:
            loop, count, latest, kill = one
            if not loop.alive:
                self._armed.remove(one)
            elif loop.count >= count or self.universe.now >= latest:
                self._armed.remove(one)
                kill()
            else:
                continue
            return

    def _kill_main(self) -> None:
        self.say("killed main", life=self.main.life)
        self.main.kill()
        self._soon(self._start_main)

    def _kill_worker(self) -> None:
        self.say("killed worker", life=self.worker.life)
        self.worker.kill()
        self._soon(self._start_worker)

    # -- the end of the day

    async def _evening(self) -> None:
        """Nothing is disturbed any more; everything comes to rest, and is asked once more."""
        self.say("evening")
        self.frontier.faults.clear()
        self.local.faults.clear()
        self._aimed.clear()
        await asyncio.sleep(KILL_LATEST_SECONDS + QUIET_SECONDS)
        await until(lambda: len(self.told) == len(self.plan.questions))
        main = self.main
        if main.keeper.state is State.QUARANTINED:
            main.loop.begin(main.keeper.start(force=True))
        await asyncio.sleep(QUIET_SECONDS)
        main.loop.inside(self._lift_budgets)
        await self._all_works()
        await self._runs_over()
        await asyncio.sleep(QUIET_SECONDS)
        self.at_rest = rest_of(main)
        self.worker.loop.inside(lambda: self.worker.stop.ask("evening", grace_seconds=60.0))
        self.over_soon = True
        await until(lambda: self.worker.ended)
        main.loop.inside(main.stopping.set)
        await until(main.task.done)
        self.over = True

    def _lift_budgets(self) -> None:
        ground = self.main.dispatch._ground
        ground.budgets = ()
        self.lifted_ms = int(self.clock.now().timestamp() * 1_000)

    async def _all_works(self) -> None:
        """Whatever happened, both tiers answer again."""
        for number, model in enumerate(("frontier", "local", "frontier", "local")):
            last = Question(0.0, 9_000 + number, 30 + number, 9_000, model, "messages", True)
            told = await Person(last, self.say).ask(self.main)
            self.told.append(told)
            assert told.seen is Seen.WHOLE, f"not well again: {told}"

    async def _runs_over(self) -> None:
        """Until no run is on the way."""
        await until(lambda: not self._on_the_way(), every_seconds=20.0)

    def _on_the_way(self) -> int:
        with closing(sqlite3.connect(self.home / "work.db")) as connection:
            return int(connection.execute(ON_THE_WAY).fetchone()[0])


def befalls(child: Child, what: str) -> None:
    """What of a day's mishaps is the local server's."""
    if what in ("child dies", "crash loop"):
        child.die(-9)
    elif what == "child hangs":
        child.hangs = True


async def until(done: Callable[[], bool], *, every_seconds: float = 1.0) -> None:
    """Wait for what has to come. What does not come within hours never will."""
    for _ in range(int(OVER_SECONDS_MAX / every_seconds)):
        if done():
            return
        await asyncio.sleep(every_seconds)
    raise AssertionError("what had to end in the evening does not end")


def rest_of(main: Main) -> dict[str, object]:
    """What must be nothing when nobody asks."""
    load = main.slots.load()
    return {
        "slots in use": load.in_use,
        "waiting for a slot": load.waiting,
        "answers under way": main.live.under_way,
        "requests in the server": len(main.keeper._uses),
        "breakers": {key: state.value for key, state in main.breakers.states().items()},
        "conversations": len(main.asked),
        "connections": sum(end.loop is main.loop for end in main.machine.loop.net.ends),
        "rows lost": main.book.lost,
    }
