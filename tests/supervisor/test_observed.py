"""The watch over somebody else's server: a real toy server as a child; its owner is played."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import tests.toys.server
from tests.supervisor.kept import SECONDS_MAX, QuickClock
from tests.toys.client import one_token
from twotier.domain.tier import TierState
from twotier.errors import EngineError, TierUnavailableError
from twotier.service.systemd import Systemd
from twotier.supervisor.observed import ObservedSpec, Observer, Vitals
from twotier.supervisor.owner import Said
from twotier.supervisor.process import Processes


def listening(port: int) -> None:
    """Wait until somebody listens there."""
    end = time.monotonic() + SECONDS_MAX
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
    raise TimeoutError(f"nobody listens on port {port}")


@dataclass
class Played:
    """A systemd that has one unit: the toy server. It restarts it when asked, never by itself."""

    folder: Path
    port: int = field(default_factory=Processes().free_port)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    refuses: str = ""
    child: subprocess.Popen[bytes] | None = None
    age_seconds: float = 900.0
    look_seconds_max: float = 10.0  # a busy machine may be slow; shorter where it hangs

    def start(self) -> None:
        """Returns when it listens: its owner says that it is old, so one that does not is hung."""
        script, hang = tests.toys.server.__file__, f"--hang-while={self.folder / 'hang'}"
        log = (self.folder / "toy.log").open("ab")
        with log:
            self.child = subprocess.Popen(
                (sys.executable, "-I", script, f"--port={self.port}", hang), stderr=log
            )
        listening(self.port)

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        assert self.child is not None
        self.child.send_signal(number)
        return self.child.wait()

    def run(self, argv: Sequence[str]) -> Said:
        """As `systemctl --user ...`."""
        verb = argv[2]
        self.asked.append(tuple(argv))
        if verb == "show":
            return Said(0, self.shown())
        if self.refuses:
            return Said(1, err=self.refuses)
        if verb == "restart":
            self.end()
            (self.folder / "hang").unlink(missing_ok=True)
        self.start()
        return Said(0)

    def shown(self) -> str:
        assert self.child is not None
        code = self.child.poll()
        state = "ActiveState=active\nSubState=running" if code is None else "ActiveState=failed"
        status = f"Result=signal\nExecMainCode=2\nExecMainStatus={-(code or 0)}"
        return f"LoadState=loaded\n{state}\nMainPID={self.child.pid}\nRestart=no\n{status}\n"

    def feel(self, pid: int) -> Vitals | None:
        if self.child is None or pid != self.child.pid:
            return None
        return Vitals(self.age_seconds, 1.0)

    def observer(self) -> Observer:
        spec = ObservedSpec(
            "local",
            f"http://127.0.0.1:{self.port}",
            one_token(),
            look_seconds_max=self.look_seconds_max,
        )
        unit = Systemd("toy.service")
        return Observer(spec, unit, run=self.run, feel=self.feel, clock=QuickClock())

    @property
    def orders(self) -> list[str]:
        return [argv[2] for argv in self.asked if argv[2] != "show"]


@contextlib.asynccontextmanager
async def watching(played: Played) -> AsyncIterator[Observer]:
    """A running watch; its server ends with it."""
    played.start()
    observer = played.observer()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(observer.run())
        try:
            yield observer
        finally:
            running.cancel()
            assert played.child is not None
            if played.child.poll() is None:
                played.end()


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while not done():  # noqa: ASYNC110 - as a page of status sees it
            await asyncio.sleep(0.01)


def test_a_token_makes_it_ready_and_its_end_is_told_and_left_alone(tmp_path: Path) -> None:
    """Killed by somebody: down, with the owner's own words; nobody starts it by himself."""

    async def scenario() -> None:
        played = Played(tmp_path)
        async with watching(played) as observer:
            await until(lambda: observer.facts().state is TierState.READY)
            endpoint = await observer.ensure_ready(within_seconds=SECONDS_MAX)
            assert endpoint.base_url.endswith(str(played.port))
            assert observer.owner == "the systemd unit toy.service"
            played.end()
            observer.suspect("the connection broke")
            await until(lambda: observer.facts().state is TierState.DOWN)
            assert "does not start it by itself" in observer.facts().because
            assert "SIGKILL" in observer.facts().because
            assert "ExecMainStatus=9" in observer.evidence()
            with pytest.raises(TierUnavailableError, match="engine why"):
                await observer.ensure_ready(within_seconds=0.1)
            assert played.orders == []
            await observer.start()
            await until(lambda: observer.facts().state is TierState.READY)
            assert played.orders == ["start"]

    asyncio.run(scenario())


def test_one_that_hangs_is_started_anew_by_its_owner(tmp_path: Path) -> None:
    """`/health` says that all is well; two looks without a token, and it is asked for once."""

    async def scenario() -> None:
        played = Played(tmp_path, look_seconds_max=1.0)
        async with watching(played) as observer:
            await until(lambda: observer.facts().state is TierState.READY)
            (tmp_path / "hang").touch()
            await until(lambda: observer.facts().state is TierState.DOWN)
            assert "it hangs" in observer.facts().because
            await until(lambda: played.orders == ["restart"])
            await until(lambda: observer.facts().state is TierState.READY)

    asyncio.run(scenario())


def test_one_that_loads_is_left_alone(tmp_path: Path) -> None:
    """Young and silent is loading, however long a look takes."""

    async def scenario() -> None:
        played = Played(tmp_path, age_seconds=20.0, look_seconds_max=0.3)
        (tmp_path / "hang").touch()
        async with watching(played) as observer:
            await until(lambda: "loading for 20 s" in observer.facts().because)
            for _ in range(3):
                seen = len(played.asked)
                observer.suspect("again")
                await until(lambda seen=seen: len(played.asked) > seen)  # type: ignore[misc]
            assert observer.facts().state is TierState.COMING_UP
            assert played.orders == []

    asyncio.run(scenario())


def test_a_request_that_gets_its_bytes_is_proof_enough(tmp_path: Path) -> None:
    """No look while it works for us, and none of its silences counts then."""

    async def scenario() -> None:
        played = Played(tmp_path, look_seconds_max=1.0)
        async with watching(played) as observer:
            await until(lambda: observer.facts().state is TierState.READY)
            (tmp_path / "hang").touch()
            use = observer.pick_up()
            observer.suspect("a client thinks so")
            seen = len(played.asked)
            while len(played.asked) < seen + 2:
                use.progressed()
                observer.suspect("and again")
                await asyncio.sleep(0.01)
            assert observer.facts().state is TierState.READY
            use.lay_down()

    asyncio.run(scenario())


def test_what_is_not_ours_is_not_ended_and_a_refusal_is_said(tmp_path: Path) -> None:
    """`stop` says how its owner does it; an owner that refuses is quoted."""

    async def scenario() -> None:
        played = Played(tmp_path, refuses="Access denied")
        async with watching(played) as observer:
            with pytest.raises(EngineError, match="systemctl --user stop toy"):
                await observer.stop()
            with pytest.raises(EngineError, match="Access denied"):
                await observer.restart()
            assert (observer.gate(), observer.deaths()) == ("", ())

    asyncio.run(scenario())
