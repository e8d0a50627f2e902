"""Whoever is killed with -9 leaves nothing running: no deaf server, no command half done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.tools.mcp_servers import TOY
from twotier.tools import lifeline
from twotier.tools.lifeline import tied

SERVER = """
import asyncio, json, os, psutil, signal, sys
from twotier.clock import SystemClock
from twotier.tools.mcp import Servers
from twotier.tools.mcp_wire import ServerSpec

async def one():
    spec = ServerSpec("toy", tuple(json.loads(sys.argv[1])), tools=("echo",))
    async with Servers([spec], clock=SystemClock()) as servers:
        await servers.tools(["mcp:toy"])
        print(json.dumps([one.pid for one in psutil.Process().children(recursive=True)]))
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(one())
"""
COMMAND = """
import asyncio, json, os, psutil, signal, sys
from pathlib import Path
from twotier.tools.children import Bounds, run

async def one():
    work = asyncio.create_task(
        run(json.loads(sys.argv[1]), folder=Path("/"), environment={}, bounds=Bounds(60.0, 9))
    )
    while len(found := psutil.Process().children(recursive=True)) < 3:
        await asyncio.sleep(0.01)
    print(json.dumps([one.pid for one in found]))
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(one())
"""
DEAF_COMMAND = ("/bin/sh", "-c", "trap '' TERM HUP PIPE; sleep 600 & wait; wait")


def alive(pids: Sequence[int]) -> list[int]:
    """Those that run; who has ended and was not fetched by anybody does not."""
    found = []
    for pid in pids:
        try:
            ended = psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            ended = True
        found += [] if ended else [pid]
    return found


def until_gone(pids: Sequence[int]) -> None:
    """Wait for it: nobody tells when somebody else's process has ended."""
    until = time.monotonic() + 20
    while left := alive(pids):
        assert time.monotonic() < until, f"these still run: {left}"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("script", "argv"), [(SERVER, (*TOY, "deaf")), (COMMAND, DEAF_COMMAND)], ids=["mcp", "command"]
)
def test_what_a_killed_worker_started_ends_with_it(script: str, argv: Sequence[str]) -> None:
    """Though it ignores its stdin and SIGTERM, and with the child that it has itself."""
    words = (sys.executable, "-c", script, json.dumps(argv))
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pids = json.loads(done.stdout)
    assert len(pids) == 3  # itself, its child, and the shell that ends them
    until_gone(pids)


def test_who_is_let_go_lives_on_and_the_shell_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where somebody ended the shell, or it does not listen."""
    monkeypatch.setattr(lifeline, "END_SECONDS", 0.1)
    with subprocess.Popen(("/bin/sleep", "600"), start_new_session=True) as child:
        try:
            with tied(child.pid):
                (shell,) = shells()
            assert not alive([shell.pid])
            with tied(child.pid):
                (shell,) = shells()
                shell.kill()
            with tied(child.pid):
                (shell,) = shells()
                os.kill(shell.pid, signal.SIGSTOP)
            assert not alive([shell.pid])
            assert child.poll() is None
        finally:
            child.kill()


def shells() -> list[psutil.Process]:
    """Ours, now."""
    return [one for one in psutil.Process().children() if "twotier-lifeline" in one.cmdline()]


def test_where_there_is_no_shell_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller hears it and ends what it started."""
    monkeypatch.setattr(lifeline, "SHELL", str(Path("/nowhere/sh")))
    with pytest.raises(FileNotFoundError), tied(os.getpid()):
        raise AssertionError("it was begun")
