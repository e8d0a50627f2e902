"""Virtual time: event loops that never wait, and a universe that says which of them goes on.

A process of the product is one loop with its tasks. Nothing in here looks at a clock or starts a
thread: when no loop has anything to do, time jumps to the next timer; what would run in a thread
runs a moment later in one piece. Between two steps of any loop a process can be killed: its loop is
never stepped again, and nothing of it is told, not even its `finally`.

Which loop goes on is chance, and so is how long a thread takes; both come from the seed. Tasks and
futures count themselves, because sets order what they hold by its hash, and an address is no seed.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import itertools
import sys
from asyncio import events
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

THREAD_SECONDS = (0.0002, 0.004)
UNWINDINGS_MAX = 100
STEPS_MAX = 500_000  # of one day: a loop that spins is a defect, and must not spin for ever


class Future(asyncio.Future[Any]):
    """A future whose place in a set is the same each time."""

    def __hash__(self) -> int:
        return self.number

    def __init__(self, number: int, *, loop: Loop) -> None:
        self.number = number
        super().__init__(loop=loop)


class Task(asyncio.Task[Any]):
    """A task of the same kind."""

    def __hash__(self) -> int:
        return self.number

    def __init__(self, number: int, coroutine: Coroutine[Any, Any, Any], loop: Loop) -> None:
        self.number = number
        super().__init__(coroutine, loop=loop)


class Timer(asyncio.TimerHandle):
    """Of two that ring at one moment the older one rings first: a wire must keep its order."""

    _when: float
    number = 0

    def __lt__(self, other: Any) -> bool:
        return (self._when, self.number) < (other._when, other.number)


class Universe:
    """All loops, and the time. `trace` hears what happens, `chance` is the seed's."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.now = 0.0
        self.steps = 0
        self.loops: list[Loop] = []
        self.defects: list[str] = []
        self.numbers = itertools.count(1)
        self.before_step: Callable[[], None] = lambda: None

    def loop(self, name: str) -> Loop:
        """A process begins."""
        made = Loop(self, name)
        self.loops.append(made)
        return made

    def run(self, until: Callable[[], bool]) -> None:
        """Let everything happen until that is so."""
        while not until():
            self.steps += 1
            assert self.steps < STEPS_MAX, "the day does not end: something spins"
            self.before_step()
            ready = [loop for loop in self.loops if loop._ready]
            if ready:
                (ready[0] if len(ready) == 1 else self.chance.choice(ready)).step()
            else:
                self._pass()

    def _pass(self) -> None:
        """Jump to the next timer."""
        due = [when for loop in self.loops if (when := loop.next_at()) is not None]
        assert due, "nothing will ever happen again"
        self.now = max(self.now, min(due))
        for loop in self.loops:
            loop.ring()


class Loop(asyncio.BaseEventLoop):
    """One process. `threads` are its pools, by when the last one of each is through."""

    _ready: Any
    _scheduled: list[Any]

    def __init__(self, universe: Universe, name: str) -> None:
        super().__init__()
        self.universe = universe
        self.name = name
        self.alive = True
        self.count = 0
        self.tasks: list[Task] = []
        self.net: Any = None
        self._pools: dict[object, float] = {}
        self.set_task_factory(self._task)

    # -- what the universe asks

    def step(self) -> None:
        """The next callback: at most as far as the next await of one task."""
        self.count += 1
        handle = self._ready.popleft()
        if handle._cancelled:
            return
        self.inside(handle._run)

    def inside(self, work: Callable[[], object]) -> None:
        """Do something as this process."""
        before = events._get_running_loop()
        events._set_running_loop(self)
        try:
            work()
        finally:
            events._set_running_loop(before)

    def next_at(self) -> float | None:
        """When its next timer rings."""
        while self._scheduled and self._scheduled[0]._cancelled:
            heapq.heappop(self._scheduled)._scheduled = False
        return self._scheduled[0]._when if self._scheduled else None

    def ring(self) -> None:
        """Timers whose time has come."""
        while (when := self.next_at()) is not None and when <= self.universe.now:
            handle = heapq.heappop(self._scheduled)
            handle._scheduled = False
            self._ready.append(handle)

    def begin(self, coroutine: Coroutine[Any, Any, Any]) -> Task:
        """A task of this process, from outside."""
        made: list[Task] = []
        self.inside(lambda: made.append(self._task(self, coroutine)))
        return made[0]

    def kill(self) -> None:
        """Kill -9: nothing of it goes on."""
        self.alive = False
        self.universe.loops.remove(self)
        self._ready.clear()
        self._scheduled.clear()

    def bury(self) -> None:
        """When all is over: let go of what was killed, without a word."""
        heard = sys.unraisablehook
        sys.unraisablehook = lambda _: None  # a `finally` of somebody dead has nobody to tell
        try:
            self.inside(self._unwind)
            gc.collect()
        finally:
            sys.unraisablehook = heard
        self._ready.clear()
        self._scheduled.clear()
        self.close()

    def _unwind(self) -> None:
        while self.tasks:
            task = self.tasks.pop()
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine: Any = task.get_coro()
            for _ in range(UNWINDINGS_MAX):  # a `finally` that waits has to be left anew
                try:
                    coroutine.close()
                    break
                except RuntimeError:
                    continue
                except Exception:  # noqa: BLE001 - it has lost the ground under its feet
                    break

    # -- what asyncio asks

    def time(self) -> float:
        """Virtual seconds."""
        return self.universe.now

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Any = None
    ) -> Any:
        """As any loop; one that is dead hears nothing."""
        handle = asyncio.Handle(callback, args, self, context)
        if self.alive:
            self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> Any:
        """The same."""
        timer = Timer(when, callback, args, self, context)
        timer.number = next(self.universe.numbers)
        if self.alive:
            heapq.heappush(self._scheduled, timer)
            timer._scheduled = True  # type: ignore[attr-defined]
        return timer

    def create_future(self) -> Any:
        """One that counts itself."""
        return Future(next(self.universe.numbers), loop=self)

    def _task(self, _: object, coroutine: Any, **more: Any) -> Task:
        more.pop("context", None)
        made = Task(next(self.universe.numbers), coroutine, self)
        self.tasks.append(made)
        if len(self.tasks) % 1_024 == 0:
            self.tasks = [one for one in self.tasks if not one.done()]
        return made

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> Any:
        """A thread's work, in one piece, a moment later; a pool of one thread keeps its order."""
        took = self.universe.chance.uniform(*THREAD_SECONDS)
        at = self.universe.now + took
        if executor is not None:
            at = self._pools[executor] = max(at, self._pools.get(executor, 0.0) + took)
        over = self.create_future()

        def work() -> None:
            try:
                made = func(*args)
            except BaseException as exc:  # noqa: BLE001 - as a thread does, whoever waits hears it
                self.call_soon(fail, exc)
            else:
                self.call_soon(tell, made)

        def tell(made: object) -> None:
            if not over.done():
                over.set_result(made)

        def fail(exc: BaseException) -> None:
            if not over.done():
                over.set_exception(exc)

        self.call_at(at, work)
        return over

    async def create_connection(  # type: ignore[override]
        self, factory: Any, host: Any = None, port: Any = None
    ) -> Any:
        """Over the virtual wire."""
        return await self.net.connect(self, factory, (host, port))

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What nobody caught is a defect of the day."""
        told = context.get("exception") or context.get("message")
        if self.alive:
            self.universe.defects.append(f"{self.name}: {told!r}")

    def _write_to_self(self) -> None:
        """There is nobody who sleeps."""


class Clock:
    """`domain.clock.Clock` in a universe. `stepped` is how far the wall clock was set."""

    def __init__(self, universe: Universe, start: datetime) -> None:
        self.start = start
        self.stepped = timedelta()
        self._universe = universe

    def now(self) -> datetime:
        """What the machine's wall clock says."""
        return self.true() + self.stepped

    def true(self) -> datetime:
        """What it should say."""
        return (self.start + timedelta(seconds=self._universe.now)).astimezone(UTC)

    def monotonic(self) -> float:
        """Seconds since the day began."""
        return self._universe.now

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
