"""While a run is worked on a real child keeps the machine awake, and never longer.

The system's own programs are played by a script that writes down its words and its life.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web

from tests.jobs.making import job
from tests.jobs.workshop import INBOX, workshop
from tests.story.service import eventually
from tests.worker.playing_main import completion
from twotier.domain.job import RunState
from twotier.jobs.awake import INHIBIT, Awake, command_here

KEEPS = """\
#!/bin/sh
echo "begun $*" >> "{log}"
trap 'echo ended >> "{log}"; exit 0' TERM
exec 3<&0
cat <&3 & wait $!
echo ended >> "{log}"
"""
HOLDS = """\
import asyncio, sys
from twotier.jobs.awake import Awake
async def main():
    async with Awake((sys.argv[1], "-i")).during():
        print("held", flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """One that keeps it awake, and writes it down in `log` beside it."""
    script = tmp_path / "caffeinate"
    script.write_text(KEEPS.format(log=tmp_path / "log"))
    script.chmod(0o755)
    return script


def lines(program: Path) -> list[str]:
    """What it wrote."""
    log = program.with_name("log")
    return log.read_text().splitlines() if log.exists() else []


def test_one_child_for_all_runs_and_none_without(program: Path) -> None:
    """It begins with the first, ends with the last, lets go while a run only waits."""
    awake = Awake((str(program), "-i"))

    async def rests(_: float) -> None:
        assert not awake.held()
        eventually(lambda: lines(program)[-1] == "ended")

    async def scenario() -> None:
        async with awake.during():
            assert awake.held()
            async with awake.during():
                eventually(lambda: lines(program) == ["begun -i"])
            assert awake.held()
        eventually(lambda: lines(program) == ["begun -i", "ended"])
        assert not awake.held()
        async with awake.during():
            eventually(lambda: len(lines(program)) == 3)
            await awake.resting(rests, 1.0)
            assert awake.held()
            eventually(lambda: len(lines(program)) == 5)
        assert not awake.held()
        with pytest.raises(ValueError, match="a run that fails"):
            await fails()
        assert not awake.held()

    async def fails() -> None:
        async with awake.during():
            eventually(lambda: len(lines(program)) == 7)
            raise ValueError("a run that fails")

    asyncio.run(scenario())
    assert lines(program) == ["begun -i", "ended"] * 4


def test_a_run_keeps_it_awake_and_a_look_that_finds_nothing_does_not(
    program: Path, tmp_path: Path
) -> None:
    """It is held while the model is asked, and let go when the run is over."""
    held: list[list[str]] = []

    async def script(*_: object) -> web.StreamResponse:
        await asyncio.to_thread(eventually, lambda: lines(program)[-1:] == ["begun -i"])
        held.append(lines(program))
        return completion('["one", "two", "three"]')

    async def scenario() -> None:
        each = job(watch=INBOX, answer_lines=3, every_seconds=86_400.0)
        awake = Awake((str(program), "-i"))
        async with workshop(tmp_path, [each], script=script, awake=awake) as shop:
            assert (await shop.by_hand("inbox")).state is RunState.QUIET
            assert lines(program) == []
            shop.drop("a.txt")
            assert (await shop.by_hand("inbox")).state is RunState.DONE

    asyncio.run(scenario())
    assert held == [["begun -i"]]
    assert lines(program) == ["begun -i", "ended"]


def test_it_ends_when_its_worker_is_killed(program: Path) -> None:
    """With -9, which cleans nothing up."""
    words = (sys.executable, "-c", HOLDS, str(program))
    with subprocess.Popen(words, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        eventually(lambda: lines(program) == ["begun -i"])
        holder.send_signal(signal.SIGKILL)
        holder.wait(20)
    eventually(lambda: lines(program) == ["begun -i", "ended"])


@pytest.mark.parametrize("command", [(), ("false",), ("/nowhere/caffeinate",)])
def test_where_it_cannot_be_had_the_run_goes_on(
    command: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """It is said, once: no program, one that ends at once, one that cannot be started."""

    async def scenario() -> None:
        awake = Awake(command)
        for _ in range(2):
            async with awake.during():
                eventually(lambda: not awake.held())

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert [one.getMessage() for one in caplog.records] == ["not kept awake"]


def test_which_program_it_is() -> None:
    """The system's own, where it is there; on a Mac it looks after our pid."""
    there, missing = (lambda name: f"/usr/bin/{name}"), (lambda _: None)
    assert command_here(platform="darwin", which=there) == (
        *("caffeinate", "-i", "-w"),
        str(os.getpid()),
    )
    assert command_here(platform="linux", which=there) == INHIBIT
    assert command_here(platform="linux", which=missing) == ()
