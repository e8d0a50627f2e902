"""The machine below the program: child processes that outlive whoever started them.

A child is a server that loads, answers and dies. It may hang (takes connections and is silent), or
die again and again. An earlier life's child is found by its pid and start, as on a real system.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.simulator.loop import Loop, Universe
from tests.simulator.upstreams import Call, Local, Served
from tests.simulator.wire import Net
from twotier.domain.launch import Launch
from twotier.supervisor.process import SAME_START_SECONDS, OnExit, Running
from twotier.supervisor.vigil import Pulse

LOAD_SECONDS = (1.0, 30.0)


class Child:
    """`process.Running`."""

    def __init__(self, machine: Machine, pid: int, port: int) -> None:
        self.pid = pid
        self.created = machine.universe.now
        self.adopted = False
        self.alive = True
        self.hangs = False
        self.port = port
        self._machine = machine
        self._hears: tuple[Loop, OnExit] | None = None
        self._work_seconds = 0.0

    def heard_by(self, loop: Loop, on_exit: OnExit) -> None:
        """Who is told of its end."""
        self._hears = (loop, on_exit)

    def pulse(self) -> Pulse:
        """It works while it lives and does not hang."""
        if not self.hangs:
            self._work_seconds = self._machine.universe.now
        return Pulse(cpu_seconds=self._work_seconds)

    async def end(self, *, grace_seconds: float) -> bool:
        """One that hangs needs more than a word."""
        await asyncio.sleep(grace_seconds if self.hangs else 0.3)
        self.die(-9 if self.hangs else -15)
        return True

    def kill(self) -> None:
        """At once."""
        self.die(-9)

    def release(self) -> None:
        """Nobody is told any more."""
        self._hears = None

    def die(self, code: int) -> None:
        """The end; whoever listens hears of it."""
        if not self.alive or self._machine.over:
            return
        self.alive = False
        self._machine.closed(self)
        if self._hears is not None:
            loop, on_exit = self._hears
            loop.call_soon(on_exit, None if self.adopted else code)


class Machine:
    """`process.Launcher`. `crashing`: each child dies a little after its start."""

    def __init__(
        self, universe: Universe, net: Net, local: Local, say: Callable[..., None]
    ) -> None:
        self.universe = universe
        self.children: list[Child] = []
        self.crashing = False
        self.over = False
        self.say = say
        self._net = net
        self._local = local
        # Where everything runs that is not ours: upstreams, clients, children.
        self.loop = universe.loop("outside")
        self.loop.net = net
        self._ports = 40_000

    def close(self) -> None:
        """Nothing of it is open."""

    @property
    def child(self) -> Child | None:
        """The one that lives."""
        return next((one for one in self.children if one.alive), None)

    def free_port(self) -> int:
        """Never the same."""
        self._ports += 1
        return self._ports

    def spawn(self, launch: Launch, *, log_path: Path, on_exit: OnExit) -> Running:
        """A child begins to load."""
        assert self.child is None, "two servers at once: they would not fit"
        port = int(launch.argv[-1])
        made = Child(self, 1_000 + len(self.children), port)
        made.heard_by(running(), on_exit)
        self.children.append(made)
        self.say("spawned", pid=made.pid)
        seconds = self.universe.chance.uniform(*LOAD_SECONDS)
        self.loop.call_at(self.universe.now + seconds, self._loaded, made)
        return made

    def adopt(self, pid: int, *, created: float, on_exit: OnExit) -> Running | None:
        """The child of an earlier life."""
        for one in self.children:
            same = one.pid == pid and abs(one.created - created) < SAME_START_SECONDS
            if one.alive and same:
                one.adopted = True
                one.heard_by(running(), on_exit)
                self.say("adopted", pid=pid)
                return one
        return None

    def closed(self, child: Child) -> None:
        """Its connections break."""
        place = ("127.0.0.1", child.port)
        self._net.unlisten(place)
        for end in [end for end in self._net.ends if place_of(end.protocol) == child.port]:
            end.abort()
        self.say("died", pid=child.pid)

    def _loaded(self, child: Child) -> None:
        if not child.alive:
            return

        async def answer(call: Call) -> None:
            if child.hangs:
                await self._local.for_ever()
            await self._local(call)

        def served() -> Served:
            made = Served(answer)
            made.port = child.port
            return made

        self._net.listen(("127.0.0.1", child.port), self.loop, served)
        if self.crashing:
            seconds = self.universe.chance.uniform(0.5, 4.0)
            self.loop.call_at(self.universe.now + seconds, child.die, 1)


def place_of(protocol: object) -> int:
    """The port of a server's side; 0 for everybody else."""
    return getattr(protocol, "port", 0)


def running() -> Loop:
    """The process that calls."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Loop)
    return loop
