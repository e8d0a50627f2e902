"""`twotier down` ends what runs, what comes up, and what a killed main left; nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.cli.standin import SECONDS_MAX, Done, environment, twotier
from twotier.config.paths import Paths
from twotier.supervisor import record
from twotier.supervisor.record import Record

ROOT = Path(__file__).resolve().parent.parent.parent


def down(tmp_path: Path) -> Done:
    """The real command."""
    config = str(tmp_path / "twotier.toml")
    return asyncio.run(twotier("--config", config, "down", "--json"))


@contextmanager
def child(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A process in a group of its own, which does not outlive the test."""
    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=ROOT,
        env=environment(),
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def toy_main(tmp_path: Path, *more: str) -> tuple[str, ...]:
    """The command of a toy main."""
    return (sys.executable, "-m", "tests.cli.toy_main", str(tmp_path / ".twotier"), *more)


SLEEPER = (sys.executable, "-c", "print('ready', flush=True); import time; time.sleep(60)")


def keep(tmp_path: Path, pid: int, created: float) -> Path:
    """The record of a kept server."""
    path = Paths(tmp_path / ".twotier").engines / "local.json"
    record.write(path, Record(pid=pid, created=created, port=1, fingerprint="x"))
    return path


def test_a_running_main_is_asked_to_stop_and_waited_for(tmp_path: Path) -> None:
    """When the command returns, the process has ended."""
    with child(*toy_main(tmp_path)) as main:
        done = down(tmp_path)
        assert done.code == 0
        assert done.document["stopped_pid"] == main.pid
        assert main.wait(SECONDS_MAX) == 0
    assert down(tmp_path).code == 3


def test_a_main_without_a_socket_is_known_by_its_lock(tmp_path: Path) -> None:
    """One that is just coming up is told to stop as well."""
    with child(*toy_main(tmp_path, "deaf")) as main:
        assert down(tmp_path).document["stopped_pid"] == main.pid
        assert main.wait(SECONDS_MAX) == 0


def test_a_main_that_cannot_be_talked_to_is_ended_by_a_signal(tmp_path: Path) -> None:
    """`twotier doctor` sends people here with one that hangs or answers nonsense."""
    with child(*toy_main(tmp_path, "broken")) as main:
        assert down(tmp_path).document["stopped_pid"] == main.pid
        assert main.wait(SECONDS_MAX) == 0


def test_a_server_left_by_a_killed_main_is_ended(tmp_path: Path) -> None:
    """Main went with -9; its lock is free, its model server still holds the memory."""
    with child(*toy_main(tmp_path)) as main, child(*SLEEPER) as engine:
        path = keep(tmp_path, engine.pid, psutil.Process(engine.pid).create_time())
        main.kill()
        main.wait(SECONDS_MAX)
        done = down(tmp_path)
        assert done.code == 0
        assert done.document == {
            "schema_version": 1,
            "stopped_pid": None,
            "engine_pids_ended": [engine.pid],
        }
        assert engine.wait(SECONDS_MAX) == -signal.SIGTERM
        assert not path.exists()


def test_a_stranger_with_the_same_pid_is_left_alone(tmp_path: Path) -> None:
    """Pids are used again: only pid and start time together name a process."""
    with child(*SLEEPER) as stranger:
        keep(tmp_path, stranger.pid, psutil.Process(stranger.pid).create_time() - 3_600)
        paths = Paths(tmp_path / ".twotier")
        paths.lock.write_text(f"{stranger.pid}\n")  # a lock that nobody holds
        assert down(tmp_path).code == 3
        os.kill(stranger.pid, 0)
        assert stranger.poll() is None
