"""The keeper with a real child process that dies, hangs, loops and refuses to go."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from tests.supervisor.kept import SECONDS_MAX, Toy, kept, runs, until_gone, using
from tests.toys.client import chat
from twotier.domain.endpoint import Use, Work
from twotier.domain.tier import TierState
from twotier.errors import TierUnavailableError
from twotier.supervisor.keeper import Keeper
from twotier.supervisor.policy import Signal, State

HANGS = {"probe_seconds_max": 0.5}
BODY = {"model": "toy", "messages": [{"role": "user", "content": "hello"}]}


def test_a_waiter_gets_the_endpoint_once_a_token_was_generated(tmp_path: Path) -> None:
    """503 while loading is not ready; the first generated token is."""

    async def scenario() -> None:
        toy = Toy(tmp_path, ("--loads-seconds=0.6",))
        async with kept(toy) as keeper:
            began = time.monotonic()
            endpoint = await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            assert time.monotonic() - began > 0.6
            assert endpoint.generation == 1
            assert (await chat(endpoint, BODY))["model"] == "toy"
            facts = keeper.facts()
            assert facts.state is TierState.READY
            assert facts.pid == toy.starts[0]
            assert facts.address == endpoint.base_url
        assert not runs(toy.starts[0])
        assert keeper.facts().state is TierState.DOWN

    asyncio.run(scenario())


def test_a_waiter_with_little_time_is_refused_in_time_and_told_why(tmp_path: Path) -> None:
    """The deadline binds, and the refusal says what is going on."""

    async def scenario() -> None:
        async with kept(Toy(tmp_path, ("--loads-seconds=30",))) as keeper:
            with pytest.raises(TierUnavailableError, match="loading") as refused:
                await keeper.ensure_ready(within_seconds=0.2)
            assert refused.value.retry_after_seconds

    asyncio.run(scenario())


def test_a_killed_server_comes_back_as_a_new_generation(tmp_path: Path) -> None:
    """SIGKILL is noticed, its cause is named, and waiters get the next one."""

    async def scenario() -> None:
        toy = Toy(tmp_path)
        async with kept(toy) as keeper:
            first = await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            os.kill(toy.starts[0], signal.SIGKILL)
            change = await toy.until_state(State.BACKOFF)
            assert "SIGKILL" in change.because
            assert keeper.facts().lost
            second = await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            assert not keeper.facts().lost
            assert second.generation == first.generation + 1
            assert len(toy.starts) == 2

    asyncio.run(scenario())


def test_five_deaths_in_ten_minutes_are_quarantine_and_waiters_hear_the_cause(
    tmp_path: Path,
) -> None:
    """A crash loop ends; who waits is refused with the last words; a person can restart it."""

    async def scenario() -> None:
        toy = Toy(tmp_path, ("--exits=3", "--says=the shader cache is corrupt"))
        async with kept(toy) as keeper:
            with pytest.raises(TierUnavailableError, match="shader cache"):
                await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            assert len(toy.starts) == 5
            assert keeper.facts().state is TierState.QUARANTINED
            toy.switches = ()
            await keeper.restart()
            assert (await keeper.ensure_ready(within_seconds=SECONDS_MAX)).generation == 6

    asyncio.run(scenario())


def test_what_no_restart_can_mend_is_not_tried_again(tmp_path: Path) -> None:
    """A broken environment goes into quarantine with its first death."""

    async def scenario() -> None:
        says = "--says=ModuleNotFoundError: No module named 'mlx'"
        toy = Toy(tmp_path, ("--exits=1", says))
        async with kept(toy) as keeper:
            with pytest.raises(TierUnavailableError, match="No module named 'mlx'"):
                await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            assert len(toy.starts) == 1

    asyncio.run(scenario())


def test_a_server_that_hangs_while_health_is_fine_is_ended_and_started_anew(
    tmp_path: Path,
) -> None:
    """Suspicion leads to a look, an unanswered look to a new server."""

    async def scenario() -> None:
        hang = tmp_path / "hang"
        toy = Toy(tmp_path, (f"--hang-while={hang}",), HANGS)
        async with kept(toy) as keeper:
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            hang.touch()
            keeper.suspect("a request got no first token in time")
            change = await toy.until_state(State.BACKOFF)
            hang.unlink()
            assert "hung" in change.because
            assert "no first token" in change.because
            assert (await keeper.ensure_ready(within_seconds=SECONDS_MAX)).generation == 2

    asyncio.run(scenario())


def test_a_suspicion_that_is_wrong_costs_no_restart(tmp_path: Path) -> None:
    """It answers the look: it stays."""

    async def scenario() -> None:
        toy = Toy(tmp_path)
        async with kept(toy) as keeper:
            first = await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            keeper.suspect("one connection was reset")
            assert await keeper.ensure_ready(within_seconds=SECONDS_MAX) == first
            assert len(toy.starts) == 1

    asyncio.run(scenario())


def now(keeper: Keeper) -> State:
    """The state it is in."""
    return keeper.state


def test_a_busy_server_that_makes_progress_is_left_alone(tmp_path: Path) -> None:
    """A long prefill answers no probe; its keep-alive lines prove that it lives."""

    async def scenario() -> None:
        hang = tmp_path / "hang"
        toy = Toy(tmp_path, (f"--hang-while={hang}",), HANGS)

        async def keep_alive(use: Use) -> None:
            while True:
                await asyncio.sleep(0.05)
                use.progressed()

        async with kept(toy) as keeper, asyncio.TaskGroup() as group:
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            with using(keeper) as use:
                assert now(keeper) == State.BUSY
                prefill = group.create_task(keep_alive(use))
                hang.touch()
                keeper.suspect("slow")
                await toy.until_state(State.BUSY)
                prefill.cancel()
                hang.unlink()
            assert now(keeper) == State.READY
            assert len(toy.starts) == 1

    asyncio.run(scenario())


def test_an_idle_server_that_died_inside_is_found_without_any_request(tmp_path: Path) -> None:
    """The regular look finds a hung server before a person does."""

    async def scenario() -> None:
        hang = tmp_path / "hang"
        toy = Toy(tmp_path, (f"--hang-while={hang}",), HANGS | {"probe_every_seconds": 5.0})
        async with kept(toy) as keeper:
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            hang.touch()
            change = await toy.until_state(State.BACKOFF)
            hang.unlink()
            assert "regular look" in change.because

    asyncio.run(scenario())


def test_a_server_that_never_gets_ready_is_ended_with_the_reason(tmp_path: Path) -> None:
    """Loading has a limit, and the last refusal is in the cause."""

    async def scenario() -> None:
        toy = Toy(tmp_path, ("--loads-seconds=60",), {"load_seconds_max": 1.0})
        async with kept(toy):
            change = await toy.until_state(State.BACKOFF)
            assert "not ready 1 s after its start" in change.because
            assert "loading" in change.because

    asyncio.run(scenario())


def test_a_server_that_ignores_term_is_killed(tmp_path: Path) -> None:
    """Politeness has a limit too."""

    async def scenario() -> None:
        toy = Toy(tmp_path, ("--ignores-term",), {"stop_grace_seconds": 0.3})
        async with kept(toy) as keeper:
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            await keeper.stop()
        assert not runs(toy.starts[0])
        assert not (tmp_path / "toy.json").exists()

    asyncio.run(scenario())


def test_the_whole_group_goes_with_its_leader(tmp_path: Path) -> None:
    """A child of the server would hold its memory and its port."""

    async def scenario() -> None:
        toy = Toy(tmp_path, ("--has-child",))
        async with kept(toy) as keeper:
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            said = (tmp_path / "toy.log").read_text()
            grandchild = int(said.partition("child ")[2].split()[0])
            assert runs(grandchild)
            os.kill(toy.starts[0], signal.SIGKILL)
            await until_gone(grandchild)

    asyncio.run(scenario())


def test_stopping_lets_the_request_in_the_server_finish(tmp_path: Path) -> None:
    """Drain: who is in may finish, who comes is refused."""

    async def scenario() -> None:
        toy = Toy(tmp_path)
        async with kept(toy) as keeper, asyncio.TaskGroup() as group:
            endpoint = await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            with using(keeper):
                stopping = group.create_task(keeper.stop())
                await toy.until_state(State.DRAINING)
                assert (await chat(endpoint, BODY))["model"] == "toy"
                with pytest.raises(TierUnavailableError, match="stopping"):
                    await keeper.ensure_ready(within_seconds=SECONDS_MAX)
                assert not stopping.done()
            await stopping
        assert not runs(toy.starts[0])

    asyncio.run(scenario())


def test_the_next_main_adopts_the_living_server(tmp_path: Path) -> None:
    """The old keeper went without a word: the server lives, is asked, and is not started twice."""

    async def scenario() -> None:
        toy = Toy(tmp_path)
        async with kept(toy, leave=True) as old:
            first = await old.ensure_ready(within_seconds=SECONDS_MAX)
        pid = toy.starts[0]
        assert runs(pid)
        async with kept(toy) as new:
            second = await new.ensure_ready(within_seconds=SECONDS_MAX)
            assert second.base_url == first.base_url
            assert new.facts().pid == pid
            assert toy.starts == [pid]
            os.kill(pid, signal.SIGKILL)
            change = await toy.until_state(State.BACKOFF)
            assert "unknown" in change.because
            await new.ensure_ready(within_seconds=SECONDS_MAX)
            assert len(toy.starts) == 2
        assert not any(runs(pid) for pid in toy.starts)

    asyncio.run(scenario())


def test_a_living_server_of_another_command_is_ended_first(tmp_path: Path) -> None:
    """Two models would not fit: the fingerprint tells them apart."""

    async def scenario() -> None:
        toy = Toy(tmp_path)
        async with kept(toy, leave=True) as old:
            await old.ensure_ready(within_seconds=SECONDS_MAX)
        toy.switches = ("--token-seconds=0.01",)
        async with kept(toy) as new:
            await new.ensure_ready(within_seconds=SECONDS_MAX)
            assert len(toy.starts) == 2
            assert not runs(toy.starts[0])

    asyncio.run(scenario())


def test_a_request_that_comes_while_it_restarts_waits_for_the_new_one(tmp_path: Path) -> None:
    """Waiters survive a restart that a person asked for."""

    async def scenario() -> None:
        toy = Toy(tmp_path)
        async with kept(toy) as keeper, asyncio.TaskGroup() as group:
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            restarting = group.create_task(keeper.restart())
            await toy.until_state(State.DRAINING)
            assert (await keeper.ensure_ready(within_seconds=SECONDS_MAX)).generation == 2
            await restarting
            assert toy.took(Signal.TOO_MANY) == 0

    asyncio.run(scenario())


def test_a_command_that_does_not_exist_is_said_and_not_repeated(tmp_path: Path) -> None:
    """A missing python is no reason for five tries."""

    async def scenario() -> None:
        toy = Toy(tmp_path, python=str(tmp_path / "no-python"))
        async with kept(toy) as keeper:
            with pytest.raises(TierUnavailableError, match="cannot be started"):
                await keeper.ensure_ready(within_seconds=SECONDS_MAX)

    asyncio.run(scenario())


@pytest.mark.parametrize("path", ["toy.log", ".toy.json.new"])
def test_a_disk_that_takes_nothing_is_a_death_and_no_end_of_main(tmp_path: Path, path: str) -> None:
    """A log or record that cannot be written: it is said, no child is left over, and tried anew."""

    async def scenario() -> None:
        toy = Toy(tmp_path)
        at = tmp_path / path
        at.symlink_to(tmp_path / "nowhere" / "x")  # as unwritable as a file on a full disk
        async with kept(toy) as keeper:
            died = await toy.until_state(State.BACKOFF)
            assert "cannot be written" in died.because
            for pid in toy.starts:
                await until_gone(pid)
            at.unlink()
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)

    asyncio.run(scenario())


def test_a_waiter_is_refused_when_main_ends(tmp_path: Path) -> None:
    """Nobody waits for a keeper that has gone."""

    async def refused(keeper: Keeper) -> bool:
        with pytest.raises(TierUnavailableError):
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
        return True

    async def scenario() -> None:
        toy = Toy(tmp_path, ("--loads-seconds=60",))
        async with asyncio.TaskGroup() as group:
            async with kept(toy, leave=True) as keeper:
                await toy.until_state(State.LOADING)
                waiting = group.create_task(refused(keeper))
                await asyncio.sleep(0)
            assert await waiting
        pid = keeper.facts().pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        await until_gone(pid)

    asyncio.run(scenario())


def test_a_server_that_spins_is_found_with_requests_inside_that_do_not_explain_it(
    tmp_path: Path,
) -> None:
    """Its processor time moves: with a long prompt in it that may be work, with a short one, or
    none, it is not.
    """

    async def scenario() -> None:
        spin = tmp_path / "spin"
        toy = Toy(tmp_path, (f"--spins-while={spin}",), HANGS | {"probe_every_seconds": 5.0})
        async with kept(toy) as keeper:
            await keeper.ensure_ready(within_seconds=SECONDS_MAX)
            spin.touch()
            with using(keeper, Work(50_000)):
                keeper.suspect("silent")
                await toy.until_state(State.BUSY)
                assert len(toy.starts) == 1
            with using(keeper, Work(0)):
                change = await toy.until_state(State.BACKOFF)
            spin.unlink()
            assert "hung" in change.because
            assert (await keeper.ensure_ready(within_seconds=SECONDS_MAX)).generation == 2

    asyncio.run(scenario())
