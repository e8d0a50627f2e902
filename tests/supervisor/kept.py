"""A real keeper round a real toy server, for the tests of this folder."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import tests.toys.server
from tests.toys.client import one_token
from twotier.clock import SystemClock
from twotier.domain.endpoint import ANY_WORK, Use, Work
from twotier.domain.launch import Launch
from twotier.supervisor.around import Around
from twotier.supervisor.keeper import Keeper
from twotier.supervisor.policy import Signal, State
from twotier.supervisor.process import Processes
from twotier.supervisor.spec import Change, KeptSpec

SECONDS_MAX = 60.0  # a wait's, on a machine that is busy with something else


class QuickClock(SystemClock):
    """The real clock, in which back-off delays and probe pauses are a fiftieth as long."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 50)


@dataclass
class Toy:
    """One toy server's keeper, and what was seen of it."""

    folder: Path
    switches: tuple[str, ...] = ()
    limits: dict[str, Any] = field(default_factory=dict)
    python: str = sys.executable
    around: Around | None = None
    name: str = "toy"
    changes: list[Change] = field(default_factory=list)
    seen: asyncio.Event = field(default_factory=asyncio.Event)

    def keeper(self) -> Keeper:
        return Keeper(
            self.spec(),
            Processes(),
            clock=QuickClock(),
            random=random.random,
            on_change=self.see,
            around=self.around,
        )

    def spec(self) -> KeptSpec:
        limits: dict[str, Any] = {
            "load_seconds_max": 60.0,
            "probe_seconds_max": 10.0,  # shorter where it hangs
            "probe_every_seconds": 50.0,
            "drain_seconds_max": 2.0,
            "stop_grace_seconds": 2.0,
        }
        return KeptSpec(
            name=self.name,
            launch=self.launch,
            ready=one_token(),
            log_path=self.folder / "toy.log",
            record_path=self.folder / "toy.json",
            **limits | self.limits,
        )

    def launch(self, port: int) -> Launch:
        script = tests.toys.server.__file__
        starts = f"--starts={self.starts_path}"
        return Launch((self.python, "-I", script, f"--port={port}", starts, *self.switches))

    @property
    def starts_path(self) -> Path:
        return self.folder / "starts"

    @property
    def starts(self) -> list[int]:
        """The pids of all starts so far."""
        if not self.starts_path.exists():
            return []
        return [int(line) for line in self.starts_path.read_text().split()]

    def see(self, change: Change) -> None:
        self.changes.append(change)
        self.seen.set()

    async def until(self, done: Callable[[], bool]) -> None:
        """Wait for a change that makes this true."""
        async with asyncio.timeout(SECONDS_MAX):
            while not done():
                self.seen.clear()
                await self.seen.wait()

    async def until_state(self, state: State) -> Change:
        """Wait until this state was entered after now's last change; gives the change."""
        known = len(self.changes)
        await self.until(lambda: any(c.after is state for c in self.changes[known:]))
        return next(c for c in self.changes[known:] if c.after is state)

    def now(self) -> State:
        """The state it was seen in last; between ready and busy nobody is told."""
        return self.changes[-1].after

    def took(self, signal: Signal) -> int:
        """How often this signal moved the state."""
        return sum(change.signal is signal for change in self.changes)


@contextlib.asynccontextmanager
async def kept(toy: Toy, *, leave: bool = False) -> AsyncIterator[Keeper]:
    """A running keeper; ended with its server, or (`leave`) only the keeper, as if main died."""
    keeper = toy.keeper()
    async with asyncio.TaskGroup() as group:
        owner = group.create_task(keeper.run())
        try:
            yield keeper
        finally:
            if not leave:
                await keeper.stop()
            owner.cancel()


async def until_gone(pid: int) -> None:
    """Wait until no such process runs; a zombie does not."""
    async with asyncio.timeout(SECONDS_MAX):
        while runs(pid):  # noqa: ASYNC110 - a process that is not ours has no event
            await asyncio.sleep(0.01)


def runs(pid: int) -> bool:
    """Is there a living process of this number?"""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def using(keeper: Keeper, work: Work = ANY_WORK) -> Iterator[Use]:
    """A request in the server."""
    use = keeper.pick_up(work)
    try:
        yield use
    finally:
        use.lay_down()
