"""The keeper on a machine whose memory is played: held up, forced, smaller, unloaded, told.

The servers are real child processes; the machine's memory and its traces are values of the test,
because filling the real one would end more than the test.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.supervisor.kept import SECONDS_MAX, Toy, kept, runs, using
from tests.supervisor.machines import GB, Machine
from twotier.domain.launch import Launch
from twotier.domain.tier import TierState
from twotier.errors import TierUnavailableError
from twotier.supervisor.death import Kind, Traces
from twotier.supervisor.memory import Holder
from twotier.supervisor.policy import Signal, State
from twotier.supervisor.pressure import Pressure
from twotier.supervisor.spec import Need

NEED = {"need": lambda _: Need(10 * GB, 5 * GB), "obeys": True}


def toy_on(machine: Machine, folder: Path, *switches: str, **limits: Any) -> Toy:
    """A toy server that says it will take 10 GB."""
    return Toy(folder, switches, {**NEED, **limits}, around=machine.around())


def squeezable(toy: Toy) -> Toy:
    """The same, with a command for smaller caches; each size is half."""

    def squeezed(port: int, level: int) -> Launch:
        launch = toy.launch(port)
        return replace(launch, argv=(*launch.argv, f"--says=caches halved {level} times"))

    toy.limits |= {
        "squeezed": squeezed,
        "need": lambda level: Need(10 * GB // 2**level, 5 * GB),
        "window": lambda level: 4096 >> level,
    }
    return toy


def test_a_start_waits_for_room_says_who_has_it_and_looks_again(tmp_path: Path) -> None:
    """The first start too. Who asks meanwhile is refused at once with that sentence."""

    async def scenario() -> None:
        machine = Machine(free_bytes=12 * GB, held=[Holder("ollama", 812, 9 * GB)])
        toy = toy_on(machine, tmp_path)
        async with kept(toy) as keeper:
            change = await toy.until_state(State.BACKOFF)
            assert change.signal is Signal.HELD_UP
            assert "needs 10.0 GB and 5.0 GB of headroom, and 12.0 GB are free" in change.because
            assert "ollama (9.0 GB, pid 812)" in keeper.gate()
            with pytest.raises(TierUnavailableError, match="held up"):
                await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            assert keeper.facts().state is TierState.DOWN
            assert toy.starts == []
            machine.free_bytes = 15 * GB
            await toy.until_state(State.READY)
            assert keeper.gate() == ""
            assert keeper.history() == ()

    asyncio.run(scenario())


def test_what_can_never_fit_is_said_and_can_be_forced_by_name(tmp_path: Path) -> None:
    """Once: the start after that one is asked again."""

    async def scenario() -> None:
        machine = Machine(total_bytes=8 * GB, free_bytes=8 * GB)
        toy = toy_on(machine, tmp_path)
        async with kept(toy) as keeper:
            await toy.until_state(State.BACKOFF)
            assert "it cannot fit" in keeper.gate()
            await keeper.start(force=True)
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            os.kill(toy.starts[0], signal.SIGKILL)
            await toy.until(lambda: "held up" in keeper.facts().because)
            assert len(toy.starts) == 1

    asyncio.run(scenario())


def test_what_one_server_was_let_in_for_is_not_free_for_the_next(tmp_path: Path) -> None:
    """Both would fit alone; neither has taken its memory yet."""

    async def scenario() -> None:
        machine = Machine(free_bytes=20 * GB)
        first = toy_on(machine, tmp_path)
        second = Toy(tmp_path / "second", (), dict(NEED), around=first.around, name="second")
        second.folder.mkdir()
        async with kept(first) as keeper:
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            async with kept(second) as other:
                await second.until_state(State.BACKOFF)
                assert "promised to other servers" in other.gate()
                await keeper.stop()
                await second.until_state(State.READY)

    asyncio.run(scenario())


def test_where_only_a_smaller_one_fits_it_is_started_smaller(tmp_path: Path) -> None:
    """Half the caches, twice: 2.5 GB and the headroom. The router is told of its window, also by
    the next main, which adopts it, until there is room for all of it.
    """

    async def scenario() -> None:
        machine = Machine(free_bytes=8 * GB)
        toy = squeezable(toy_on(machine, tmp_path))
        async with kept(toy, leave=True) as keeper:
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            assert "caches halved 2 times" in (tmp_path / "toy.log").read_text()
            assert keeper.facts().window_tokens == 1024
            assert "no room for more" in keeper.facts().window_because
        machine.free_bytes = 64 * GB
        async with kept(toy) as later:
            await later.ensure_ready(within_seconds=SECONDS_MAX)
            assert len(toy.starts) == 1
            assert later.facts().window_tokens == 1024
            await later.restart()
            await later.ensure_ready(within_seconds=SECONDS_MAX)
            assert (later.facts().window_tokens, later.facts().window_because) == (0, "")

    asyncio.run(scenario())


def test_a_death_by_memory_is_told_from_a_kill_and_the_next_start_is_smaller(
    tmp_path: Path,
) -> None:
    """SIGKILL and a count that rose; the note has the evidence and survives the keeper."""

    async def scenario() -> None:
        machine = Machine()
        toy = squeezable(toy_on(machine, tmp_path))
        async with kept(toy) as keeper:
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            machine.kills += 1
            os.kill(toy.starts[0], signal.SIGKILL)
            await toy.until_state(State.READY)
            (note,) = keeper.history()
            assert note.kind is Kind.MEMORY
            assert note.exit_code == -signal.SIGKILL
            assert "half the prompt cache" in note.action
            assert any("oom_kill" in line for line in note.evidence)
            assert "caches halved 1 times" in (tmp_path / "toy.log").read_text()
        async with kept(toy) as later:
            assert later.history() == (note,)

    asyncio.run(scenario())


def test_a_report_that_comes_late_explains_the_death_all_the_same(tmp_path: Path) -> None:
    """A JetsamEvent report is written seconds after the kill; it is asked for twice."""

    async def scenario() -> None:
        jetsam = Traces(jetsam="vm-pageshortage", jetsam_report="JetsamEvent-1.ips")
        machine = Machine(traces_later=[Traces(), jetsam])
        toy = squeezable(toy_on(machine, tmp_path))
        async with kept(toy) as keeper:
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            os.kill(toy.starts[0], signal.SIGKILL)
            change = await toy.until_state(State.BACKOFF)
            assert "no sign that memory ran out" in change.because
            await toy.until_state(State.READY)
            (note,) = keeper.history()
            assert "jetsam: vm-pageshortage" in note.cause
            assert "caches halved 1 times" in (tmp_path / "toy.log").read_text()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("said", "kind", "smaller"),
    [
        ("libc++abi: [METAL] kIOGPUCommandBufferCallbackErrorOutOfMemory", Kind.GPU, True),
        ("the shader cache is corrupt", Kind.CRASHED, False),
    ],
)
def test_what_it_said_last_decides_how_it_comes_back(
    tmp_path: Path, said: str, kind: Kind, smaller: bool
) -> None:
    """Metal's message is a sample: there is no Metal here."""

    async def scenario() -> None:
        toy = squeezable(toy_on(Machine(), tmp_path, "--exits=1", f"--says={said}"))
        async with kept(toy) as keeper:
            await toy.until(lambda: len(toy.starts) == 1 and bool(keeper.history()))
            toy.switches = ()
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            assert keeper.history()[0].kind is kind
            assert ("halved 1 times" in (tmp_path / "toy.log").read_text()) is smaller
            facts, cause = keeper.facts(), keeper.history()[0].cause
            assert facts.window_tokens == (2048 if smaller else 0)
            assert facts.window_because == (cause if smaller else "")

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_server_that_leaks_is_ended_by_its_limit_and_comes_back(tmp_path: Path) -> None:
    """50 MB/s against a limit of its own (RLIMIT_AS): a real MemoryError."""

    async def scenario() -> None:
        switches = ("--leaks", "--memory-bytes-max=450000000")
        toy = toy_on(Machine(), tmp_path, *switches)
        async with kept(toy) as keeper:
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            await toy.until(lambda: bool(keeper.history()))
            assert keeper.history()[0].kind is Kind.MEMORY
            assert "MemoryError" in keeper.history()[0].cause
            toy.switches = ()
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)

    asyncio.run(scenario())


def test_a_server_that_somebody_asks_to_end_stays_down_and_a_person_is_told(
    tmp_path: Path,
) -> None:
    """It was not ours to decide; `start` brings it back."""

    async def scenario() -> None:
        machine = Machine()
        toy = toy_on(machine, tmp_path)
        async with kept(toy) as keeper:
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            os.kill(toy.starts[0], signal.SIGTERM)
            await toy.until_state(State.STOPPED)
            assert "SIGTERM" in keeper.facts().because
            assert [alert.kind for alert in machine.alerts] == ["stopped"]
            assert len(toy.starts) == 1
            await keeper.start()
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            await keeper.start()
            assert len(toy.starts) == 2

    asyncio.run(scenario())


def test_quarantine_is_one_alert_with_the_reason(tmp_path: Path) -> None:
    async def scenario() -> None:
        machine = Machine()
        toy = toy_on(machine, tmp_path, "--exits=3", "--says=the shader cache is corrupt")
        async with kept(toy) as keeper:
            with pytest.raises(TierUnavailableError):
                await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            (alert,) = machine.alerts
            assert (alert.about, alert.kind) == ("toy", "quarantined")
            assert "shader cache" in alert.text
            assert len(keeper.history()) == 5

    asyncio.run(scenario())


@pytest.mark.parametrize("busy", [False, True])
def test_critical_memory_unloads_it_before_the_system_does(tmp_path: Path, busy: bool) -> None:
    """Caches first, then what is in it may finish, then it goes and a person hears of it."""

    async def scenario() -> None:
        machine = Machine(spares=["ollama drops m (6.6 GB), which nobody used"])
        toy = toy_on(machine, tmp_path)
        async with kept(toy) as keeper:
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            if busy:
                with using(keeper):
                    machine.level = Pressure.CRITICAL
                    await toy.until(lambda: keeper.state is State.DRAINING)
                    assert machine.alerts == []
            machine.level = Pressure.CRITICAL
            await toy.until(lambda: "still is" in keeper.gate())
            assert not runs(toy.starts[0])
            said = [one.because for one in toy.changes if one.signal is Signal.PRESSED]
            assert said[0] == "memory is tight: ollama drops m (6.6 GB), which nobody used"
            assert [alert.kind for alert in machine.alerts] == ["unloaded"]
            machine.level = Pressure.NORMAL
            await toy.until_state(State.READY)
            assert keeper.history() == ()

    asyncio.run(scenario())


def test_memory_that_stays_wired_is_told_once_and_the_gate_goes_on(tmp_path: Path) -> None:
    """Only a reboot frees it; what is free decides about the start all the same."""

    async def scenario() -> None:
        machine = Machine(wired_bytes=2 * GB)
        toy = toy_on(machine, tmp_path, need=lambda _: Need(10 * GB, GB))
        async with kept(toy) as keeper:
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            machine.wired_bytes, machine.free_bytes = 12 * GB, 3 * GB
            os.kill(toy.starts[0], signal.SIGKILL)
            await toy.until(lambda: "held up" in keeper.facts().because)
            keeper._child.gone_at = keeper._clock.monotonic() - 60  # a minute later
            await toy.until(lambda: "only a reboot" in keeper.gate())
            looks = toy.took(Signal.HELD_UP)
            await toy.until(lambda: toy.took(Signal.HELD_UP) > looks)
            assert [alert.kind for alert in machine.alerts] == ["wired-memory"]
            machine.free_bytes = 20 * GB
            await toy.until_state(State.READY)

    asyncio.run(scenario())


def test_a_stranger_on_a_fixed_port_is_named_and_left_alone(tmp_path: Path) -> None:
    """It is told once; when the port is free, the server takes it."""

    async def scenario() -> None:
        machine = Machine()
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            number = stranger.getsockname()[1]
            toy = toy_on(machine, tmp_path, port=number, port_seconds_max=0.2)
            async with kept(toy) as keeper:
                await toy.until(lambda: toy.took(Signal.HELD_UP) > 1)
                assert f"port {number} is taken by" in keeper.gate()
                assert f"pid {os.getpid()}" in keeper.gate()
                assert [alert.kind for alert in machine.alerts] == ["port"]
                stranger.close()
                await toy.until_state(State.READY)
                assert keeper.facts().address == f"http://127.0.0.1:{number}"
                os.kill(toy.starts[0], signal.SIGKILL)
                await toy.until_state(State.READY)  # the same port, with its last owner just gone
                assert keeper.facts().address == f"http://127.0.0.1:{number}"

    asyncio.run(scenario())


def test_nobody_is_held_up_where_nobody_can_tell(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with kept(toy_on(Machine(unknown=True, free_bytes=0), tmp_path)) as keeper:
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)

    asyncio.run(scenario())
