"""The keeper under any sequence of events: nobody is stranded, nothing runs twice.

Processes are made of memory here, because a thousand real ones would take an hour; clock, chance
and processes are handed in, so the keeper is the real one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.supervisor.kept import using
from twotier.clock import SystemClock
from twotier.domain.endpoint import Endpoint
from twotier.domain.launch import Launch
from twotier.domain.tier import TierState
from twotier.errors import EngineError, TierUnavailableError, UpstreamError
from twotier.supervisor.keeper import Keeper
from twotier.supervisor.policy import State
from twotier.supervisor.process import OnExit, Running
from twotier.supervisor.spec import KeptSpec
from twotier.supervisor.vigil import Pulse

EVENTS = ("die", "suspect", "stop", "restart", "use", "unuse", "mute", "unmute", "break", "wait")


class Hasty(SystemClock):
    """A second takes a millisecond."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 1000)


@dataclass
class Ghost:
    """A process made of memory."""

    pid: int
    on_exit: OnExit
    created: float = 1.0
    adopted: bool = False
    alive: bool = True
    released: bool = False

    def die(self, code: int | None) -> None:
        if self.alive:
            self.alive = False
            if not self.released:
                self.on_exit(code)

    async def end(self, *, grace_seconds: float) -> bool:
        await asyncio.sleep(0)
        self.die(-15)
        return True

    def pulse(self) -> Pulse:
        return Pulse()

    def kill(self) -> None:
        self.die(-9)

    def release(self) -> None:
        self.released = True


@dataclass
class Ghosts:
    """`Launcher` of ghosts; `broken`: nothing can be started."""

    made: list[Ghost] = field(default_factory=list)
    broken: bool = False

    def free_port(self) -> int:
        return 1

    def spawn(self, launch: Launch, *, log_path: Path, on_exit: OnExit) -> Running:
        assert not any(ghost.alive for ghost in self.made), "two at once"
        if self.broken:
            raise EngineError("cannot be started")
        self.made.append(Ghost(len(self.made) + 1, on_exit))
        return self.made[-1]

    def die(self) -> None:
        for ghost in self.made:
            ghost.die(-9)

    def adopt(self, pid: int, *, created: float, on_exit: OnExit) -> Running | None:
        return None


class Story:
    """One keeper, and what can happen to it."""

    def __init__(self, folder: Path) -> None:
        self.ghosts = Ghosts()
        self.mute = False
        self.uses = contextlib.ExitStack()
        self.keeper = Keeper(
            KeptSpec(
                name="ghost",
                launch=lambda _: Launch(("ghost",)),
                ready=self.ready,
                log_path=folder / "log",
                record_path=folder / "record",
                listens=False,
                load_seconds_max=0.05,
                probe_seconds_max=0.02,
                probe_every_seconds=0.05,
                still_seconds=8.0,
                drain_seconds_max=0.02,
                stop_grace_seconds=0.01,
            ),
            self.ghosts,
            clock=Hasty(),
            random=lambda: 0.5,
            on_change=lambda _: None,
        )

    async def ready(self, _: Endpoint) -> None:
        if self.mute:
            raise UpstreamError("mute", upstream_status=500)
        await asyncio.sleep(0)

    def happens(self, event: str, group: asyncio.TaskGroup) -> None:
        acts: dict[str, Callable[[], object]] = {
            "die": self.ghosts.die,
            "suspect": lambda: self.keeper.suspect("a story says so"),
            "stop": lambda: group.create_task(self.keeper.stop()),
            "restart": lambda: group.create_task(self.keeper.restart()),
            "use": lambda: self.uses.enter_context(using(self.keeper)).progressed(),
            "unuse": self.uses.close,
            "mute": lambda: setattr(self, "mute", True),
            "unmute": lambda: setattr(self, "mute", False),
            "break": lambda: setattr(self.ghosts, "broken", not self.ghosts.broken),
            "wait": lambda: group.create_task(self.waits()),
        }
        acts[event]()

    async def waits(self) -> bool:
        """Answered or refused: anything else is an error, and so is silence."""
        try:
            async with asyncio.timeout(60):
                await self.keeper.ensure_ready(within_seconds=0.1)
        except TierUnavailableError:
            return False
        return True


@pytest.mark.slow
@settings(max_examples=1_000 if os.environ.get("SOAK") else 50, deadline=None)
@example([*[("die", 3)], ("stop", 0), ("restart", 1), ("die", 0), ("stop", 0), ("die", 3)])
@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 3)), max_size=30))
def test_nobody_is_stranded_and_nothing_runs_twice(events: list[tuple[str, int]]) -> None:
    """Every waiter is answered or refused, and a person can always bring it back."""

    async def scenario(folder: Path) -> None:
        story = Story(folder)
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            owner = group.create_task(story.keeper.run())
            async with asyncio.TaskGroup() as inner:
                for event, turns in events:
                    story.happens(event, inner)
                    for _ in range(turns):
                        await asyncio.sleep(0)
                inner.create_task(story.waits())
            story.uses.close()
            story.mute = story.ghosts.broken = False
            await story.keeper.restart()
            assert await story.waits()
            assert sum(ghost.alive for ghost in story.ghosts.made) == 1
            await story.keeper.stop()
            assert story.keeper.state is State.STOPPED
            assert story.keeper.facts().state is TierState.DOWN
            assert not any(ghost.alive for ghost in story.ghosts.made)
            owner.cancel()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(scenario(Path(folder)))
