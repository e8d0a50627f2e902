"""One real child process."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.supervisor.kept import runs, until_gone
from twotier.domain.launch import Launch
from twotier.errors import EngineError
from twotier.supervisor import record
from twotier.supervisor.process import (
    LOOK_SECONDS,
    Processes,
    Running,
    inherited,
    started_seconds,
)

SLEEPS = "import time; print('up', flush=True); time.sleep(60)"


def python(code: str) -> Launch:
    return Launch((sys.executable, "-I", "-c", code), {"SETTING": "7"})


class Ends:
    """Hears that a process ended."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()
        self.code: int | None = None

    def __call__(self, code: int | None) -> None:
        self.code = code
        self.heard.set()

    async def come(self) -> int | None:
        async with asyncio.timeout(60):
            await self.heard.wait()
        return self.code


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not done():  # noqa: ASYNC110 - a file that another process writes
            await asyncio.sleep(0.01)


def spawned(tmp_path: Path, code: str, ends: Ends) -> Running:
    return Processes().spawn(python(code), log_path=tmp_path / "log", on_exit=ends)


@pytest.mark.parametrize(("code", "exit_code"), [("raise SystemExit(3)", 3), ("pass", 0)])
def test_its_exit_code_is_heard(tmp_path: Path, code: str, exit_code: int) -> None:
    async def scenario() -> None:
        ends = Ends()
        spawned(tmp_path, code, ends)
        assert await ends.come() == exit_code

    asyncio.run(scenario())


def test_a_death_by_signal_is_heard(tmp_path: Path) -> None:
    async def scenario() -> None:
        ends = Ends()
        running = spawned(tmp_path, SLEEPS, ends)
        os.kill(running.pid, signal.SIGKILL)
        assert await ends.come() == -signal.SIGKILL

    asyncio.run(scenario())


def test_it_leads_a_session_of_its_own_and_sees_no_secret(tmp_path: Path) -> None:
    """A signal to our group does not reach it, and no key is in its environment."""

    async def scenario() -> None:
        ends = Ends()
        code = "import os; print(os.getsid(0) == os.getpid(), sorted(os.environ))"
        spawned(tmp_path, code, ends)
        assert await ends.come() == 0
        said = (tmp_path / "log").read_text()
        assert said.startswith("True")
        assert "SETTING" in said
        assert "KEY" not in said

    asyncio.run(scenario())


def test_only_listed_variables_are_handed_on() -> None:
    listed = {"PATH": "/bin", "LANG": "C", "OMP_THREAD_LIMIT": "2"}
    assert inherited({**listed, "ANTHROPIC_API_KEY": "sk", "HF_TOKEN": "hf"}) == listed


def test_a_log_of_the_last_life_is_put_aside(tmp_path: Path) -> None:
    async def scenario() -> None:
        for word in ("first", "second"):
            ends = Ends()
            spawned(tmp_path, f"print('{word}')", ends)
            await ends.come()

    asyncio.run(scenario())
    assert (tmp_path / "log").read_text() == "second\n"
    assert (tmp_path / "log.1").read_text() == "first\n"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_command_that_cannot_be_started_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    async def scenario() -> None:
        launch = Launch((str(tmp_path / "nothing"),))
        with pytest.raises(EngineError, match="twotier doctor"):
            Processes().spawn(launch, log_path=tmp_path / "log", on_exit=Ends())

    asyncio.run(scenario())


def test_a_released_process_lives_on_and_nobody_is_told(tmp_path: Path) -> None:
    """This is how an engine survives us."""

    async def scenario() -> int:
        ends = Ends()
        running = spawned(tmp_path, SLEEPS, ends)
        assert not running.adopted
        running.release()
        os.kill(running.pid, signal.SIGSTOP)
        assert runs(running.pid)
        running.kill()
        await until_gone(running.pid)
        assert not ends.heard.is_set()
        return running.pid

    assert not runs(asyncio.run(scenario()))


def test_a_child_outlives_the_loop_that_started_it(tmp_path: Path) -> None:
    """The loop closes, as it does when main ends; asyncio's own children would be killed."""

    async def first() -> Running:
        return spawned(tmp_path, SLEEPS, Ends())

    running = asyncio.run(first())
    assert runs(running.pid)

    async def second() -> None:
        ends = Ends()
        adopted = Processes().adopt(running.pid, created=running.created, on_exit=ends)
        assert adopted
        assert adopted.adopted
        assert await adopted.end(grace_seconds=5)
        assert await ends.come() is None

    asyncio.run(second())
    assert not runs(running.pid)


def test_a_stranger_with_a_used_pid_is_left_alone(tmp_path: Path) -> None:
    """Same number, other start time: not ours."""

    async def scenario() -> None:
        ends = Ends()
        running = spawned(tmp_path, SLEEPS, ends)
        launcher = Processes()
        assert launcher.adopt(running.pid, created=running.created - 60, on_exit=ends) is None
        assert runs(running.pid)
        assert await running.end(grace_seconds=5)
        assert launcher.adopt(running.pid, created=running.created, on_exit=ends) is None

    asyncio.run(scenario())


@pytest.mark.skipif(sys.platform != "linux", reason="start times that move with the clock")
def test_a_clock_that_is_set_makes_no_stranger_of_an_adopted_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour on and a day back: it lives on, and the main after this one finds it again too."""

    async def scenario() -> None:
        running, ends = spawned(tmp_path, SLEEPS, Ends()), Ends()
        path = tmp_path / "record.json"
        record.write(path, record.Record(running.pid, running.created, 8000, "abc"))
        adopted = Processes().adopt(running.pid, created=running.created, on_exit=ends)
        assert adopted
        system: Any = importlib.import_module("psutil._pslinux")
        booted = system.boot_time()
        for moved_seconds in (3_600, -86_400):
            monkeypatch.setattr(system, "boot_time", lambda by=moved_seconds: booted + by)
            assert abs(started_seconds(running.pid) - running.created) > 3_000, "it did not move"
            await asyncio.sleep(3 * LOOK_SECONDS)
            assert runs(running.pid)
            assert not ends.heard.is_set()
            found = record.read(path)
            assert found
            again = Processes().adopt(found.pid, created=found.created, on_exit=Ends())
            assert again, "the next main does not know it"
            again.release()
        assert await adopted.end(grace_seconds=5)
        assert await ends.come() is None
        assert await running.end(grace_seconds=5)

    asyncio.run(scenario())


def test_a_deaf_process_is_killed_after_the_grace(tmp_path: Path) -> None:
    async def scenario() -> None:
        ends = Ends()
        deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"
        running = spawned(tmp_path, deaf, ends)
        await until(lambda: "up" in (tmp_path / "log").read_text())
        assert await running.end(grace_seconds=0.2)
        assert await ends.come() == -signal.SIGKILL

    asyncio.run(scenario())
