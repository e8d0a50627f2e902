"""What starts a run beside its clock, what keeps it from starting, and who goes first."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.jobs.making import START, HandClock, job
from tests.jobs.workshop import INBOX, Workshop, workshop
from tests.worker.playing_main import completion
from twotier.domain.job import Run, RunState
from twotier.errors import NotFoundError, RequestError
from twotier.jobs.database import Database
from twotier.jobs.places import Places
from twotier.jobs.schedule_words import schedule_text
from twotier.jobs.store import Ended, RunStore, new_run

FIRST = job(name="first", every_seconds=600.0, deliver="log")
SECOND = job(name="second", every_seconds=None, after="first", deliver="log")


class Held:
    """A script whose answers come when they are let go; it counts how many it works on."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.now = self.most = 0
        self.prompts: list[str] = []

    async def __call__(self, _: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        self.prompts.append(body["messages"][-1]["content"])
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.go.wait()
        finally:
            self.now -= 1
        return completion("done")


async def asked(shop: Workshop) -> None:
    """Wait until the model was asked."""
    async with asyncio.timeout(60):
        await shop.main.asked.wait()


async def until(shop: Workshop, count: int, state: RunState) -> list[Run]:
    """Wait until so many runs are in this state."""
    async with asyncio.timeout(60):
        while True:
            runs = [run for run in await shop.all_runs() if run.state is state]
            if len(runs) >= count:
                return runs
            await asyncio.sleep(0.005)


def test_a_job_runs_after_each_good_end_of_another(tmp_path: Path) -> None:
    """It has the slot of the run that started it, and says which one that was."""

    async def scenario() -> None:
        async with workshop(tmp_path, [FIRST, SECOND]) as shop:
            runs = await shop.turn_until(600, 2)
            first, second = sorted(runs, key=lambda run: run.job)
            assert (second.state, second.slot) == (RunState.DONE, first.slot)
            assert second.trigger == f"after:{first.id}"
            by_hand = await shop.by_hand("first")
            runs = await shop.settled(lambda runs: len(runs) == 4)
            assert {run.trigger for run in runs if run.job == "second"} == {
                f"after:{first.id}",
                f"after:{by_hand.id}",
            }
            assert schedule_text(SECOND) == "after first"

    asyncio.run(scenario())


def test_a_job_does_not_run_after_a_bad_end(tmp_path: Path) -> None:
    """What failed has nothing to go on with."""

    async def scenario() -> None:
        bad = job(name="first", every_seconds=600.0, deliver="file:../outside.txt")
        async with workshop(tmp_path, [bad, SECOND]) as shop:
            (run,) = await shop.turn_until(600, 1)
            assert run.state is RunState.FAILED
            shop.turn(30)
            assert len(await shop.all_runs()) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(("away_seconds", "state"), [(5, RunState.DONE), (28_800, RunState.LATE)])
def test_an_end_nobody_acted_on_is_found_after_a_restart(
    tmp_path: Path, away_seconds: float, state: RunState
) -> None:
    """Killed between the end of one run and the row of the next: it comes, once, late if it is."""

    async def scenario() -> None:
        clock = HandClock()
        async with workshop(tmp_path, [FIRST, SECOND], clock=clock):
            pass
        database = Database.open(tmp_path / "work.db")
        store = RunStore(database, clock)
        row = new_run("first", START + timedelta(seconds=1))
        await store.write_due([row], job="first", seen=row.slot)
        await store.end(row.id, Ended(RunState.DONE, "asked"))
        database.close()
        clock.turn(away_seconds)
        for _ in range(2):
            async with workshop(tmp_path, [FIRST, SECOND], clock=clock) as shop:
                runs = await shop.settled(lambda runs: any(run.job == "second" for run in runs))
                second = [run for run in runs if run.job == "second" and run.slot == row.slot]
                assert [(run.state, run.trigger) for run in second] == [(state, f"after:{row.id}")]

    asyncio.run(scenario())


def test_slots_of_a_paused_job_pass_and_are_not_missed(tmp_path: Path) -> None:
    """The pause is stored, so a restart changes nothing; from the resuming on slots count again."""

    async def scenario() -> None:
        clock = HandClock()
        one = job(every_seconds=600.0, deliver="log")
        async with workshop(tmp_path, [one], clock=clock) as shop:
            await shop.scheduler.pause("inbox")
            await shop.scheduler.pause("inbox")
            assert shop.scheduler.upcoming(one) == []
            clock.turn(3_000)
            assert (await shop.by_hand("inbox")).state is RunState.DONE  # an order is an order
            assert await shop.scheduler.standings() == []
        async with workshop(tmp_path, [one], clock=clock) as shop:
            clock.turn(2_990)
            assert shop.scheduler.paused == {"inbox"}
            assert len(await shop.all_runs()) == 1
            await shop.scheduler.resume("inbox")
            runs = await shop.turn_until(10, 2)
            assert [run.trigger for run in runs] == ["hand", "schedule"]
            assert runs[1].slot == START + timedelta(seconds=6_000)
            assert runs[1].state is RunState.DONE

    asyncio.run(scenario())


def test_one_slot_waits_in_line_and_no_more(tmp_path: Path) -> None:
    """`queue`: the second is `due` until the first is over, the third says who waits already."""

    async def scenario() -> None:
        held = Held()
        slow = job(every_seconds=10.0, deliver="log", overlap="queue")
        async with workshop(tmp_path, [slow], script=held) as shop:
            shop.turn(10)
            await asked(shop)
            shop.turn(10)
            (waiting,) = await until(shop, 1, RunState.DUE)
            shop.turn(10)
            (skipped,) = await until(shop, 1, RunState.SKIPPED)
            assert skipped.because == f"the run {waiting.id} is waiting already"
            held.go.set()
            runs = await shop.settled(lambda runs: len(runs) == 3)
            assert Counter(run.state for run in runs) == {RunState.DONE: 2, RunState.SKIPPED: 1}
            assert held.most == 1

    asyncio.run(scenario())


def test_the_newest_slot_takes_the_place_of_a_run(tmp_path: Path) -> None:
    """`replace`: the run before ends `interrupted`, and the new one gets what it had not done."""

    async def scenario() -> None:
        held = Held()
        watched = job(every_seconds=10.0, deliver="log", overlap="replace", watch=INBOX)
        async with workshop(tmp_path, [watched], script=held) as shop:
            shop.drop("note.txt")
            shop.turn(10)
            await asked(shop)
            shop.turn(10)
            (cut,) = await until(shop, 1, RunState.INTERRUPTED)
            held.go.set()
            first, second = await shop.settled(lambda runs: len(runs) == 2)
            assert first.id == cut.id
            assert cut.because == f"the run {second.id} took its place"
            assert (second.state, second.items) == (RunState.DONE, 1)

    asyncio.run(scenario())


def test_a_run_can_be_ended_and_its_items_come_again(tmp_path: Path) -> None:
    """It was not their doing. One that is not on its way cannot be ended."""

    async def scenario() -> None:
        held = Held()
        watched = job(every_seconds=86_400.0, deliver="log", watch=INBOX)
        async with workshop(tmp_path, [watched], script=held) as shop:
            shop.drop("note.txt")
            run = await shop.scheduler.order("inbox")
            await asked(shop)
            await shop.scheduler.cancel(run.id, "you said so")
            ended = await shop.scheduler.ended(run.id, within_seconds=60)
            assert (ended.state, ended.because) == (RunState.INTERRUPTED, "you said so")
            with pytest.raises(RequestError, match="the run is interrupted; only one that is on"):
                await shop.scheduler.cancel(run.id, "again")
            with pytest.raises(NotFoundError):
                await shop.scheduler.cancel("nope", "again")
            held.go.set()
            assert (await shop.by_hand("inbox")).items == 1

    asyncio.run(scenario())


@pytest.mark.slow
@pytest.mark.parametrize("missed", ["once", "skip"])
def test_45_jobs_after_eight_hours_away_are_no_stampede(tmp_path: Path, missed: str) -> None:
    """Each has one row that runs, or none where it says so; one at a time, the oldest slot first,
    and the worker can be asked all the while.
    """

    async def scenario() -> None:
        jobs = [
            job(
                name=f"job{number:02}",
                prompt=f"number {number}",
                every_seconds=1_800.0 + 60 * number,
                deliver="log",
                missed=missed,
                tiers=("local",),
            )
            for number in range(45)
        ]
        clock, held = HandClock(), Held()
        async with workshop(tmp_path, jobs, clock=clock):
            pass
        clock.turn(8 * 3_600 + 31)
        places = Places({"local": 1})
        async with workshop(tmp_path, jobs, clock=clock, script=held, places=places) as shop:
            if missed == "once":
                await asked(shop)
                rows = {
                    run.job for run in await shop.all_runs() if run.state is not RunState.MISSED
                }
                standings = await shop.scheduler.standings()
                assert (len(rows), len(standings), held.now) == (45, 45, 1)
            held.go.set()
            runs = await shop.settled(
                lambda runs: len({run.job for run in runs}) == 45, seconds=100
            )
        ran = [run for run in runs if run.state is not RunState.MISSED]
        on_time = [run for run in ran if (clock.now() - run.slot).total_seconds() <= 30]
        if missed == "skip":
            assert ran == on_time
            return
        assert len(ran) == 45
        assert {run.state for run in ran if run not in on_time} == {RunState.LATE}
        by_slot = sorted(ran, key=lambda run: (run.slot, run.job))
        assert held.prompts == [f"number {int(run.job[3:])}" for run in by_slot]
        assert held.most == 1

    asyncio.run(scenario())


def test_two_schedulers_on_one_store_give_each_slot_one_row(tmp_path: Path) -> None:
    """Both see every slot; one of them writes its row, and only that one runs it."""

    async def scenario() -> None:
        one = job(every_seconds=600.0, deliver="log")
        clock = HandClock()
        here, there = tmp_path / "here", tmp_path / "there"
        for home in (here, there):
            home.mkdir()
        async with workshop(here, [one], clock=clock) as first:
            (there / "work.db").symlink_to(here / "work.db")
            async with workshop(there, [one], clock=clock) as second:
                for number in range(1, 13):
                    runs = await first.turn_until(600, number)
                assert len(runs) == len({run.slot for run in runs}) == 12
                assert {run.state for run in runs} == {RunState.DONE}
                assert len(first.main.bodies) + len(second.main.bodies) == 12

    asyncio.run(scenario())


def test_other_jobs_from_now_on_and_no_run_is_cut(tmp_path: Path) -> None:
    """A run goes on as what it was; a new job has missed nothing; one taken out runs no more."""

    async def scenario() -> None:
        held = Held()
        old = job(name="old", every_seconds=10.0, deliver="log")
        async with workshop(tmp_path, [old], script=held) as shop:
            shop.turn(10)
            await asked(shop)
            await shop.scheduler.use([job(name="new", every_seconds=20.0, deliver="log")])
            held.go.set()
            (run,) = await shop.settled(lambda runs: len(runs) == 1)
            assert (run.job, run.state) == ("old", RunState.DONE)
            runs = await shop.turn_until(10, 2)
            assert [(run.job, run.state) for run in runs] == [
                ("old", RunState.DONE),
                ("new", RunState.DONE),
            ]

    asyncio.run(scenario())


def test_a_run_that_waited_for_something_is_taken_up_when_it_is_told(tmp_path: Path) -> None:
    """Until then it stays `waiting-approval`, over a restart as well."""

    async def scenario() -> None:
        clock = HandClock()
        one = job(every_seconds=86_400.0, deliver="log")
        database = Database.open(tmp_path / "work.db")
        row = new_run("inbox", START, state=RunState.WAITING)
        await RunStore(database, clock).write_due([row], job="inbox", seen=START)
        database.close()
        async with workshop(tmp_path, [one], clock=clock) as shop:
            assert [run.state for run in await shop.all_runs()] == [RunState.WAITING]
            assert not shop.scheduler.cut(row.id, "it is not under way")

            async def decided() -> list[str]:
                return [row.id] if not shop.main.bodies else []

            shop.scheduler.again = decided
            shop.scheduler.look()
            (run,) = await shop.settled(lambda runs: len(runs) == 1)
            assert (run.id, run.state) == (row.id, RunState.DONE)

    asyncio.run(scenario())


def test_a_job_at_an_instant_runs_once(tmp_path: Path) -> None:
    """Also where the machine was off at that time."""

    async def scenario() -> None:
        clock = HandClock()
        once = job(every_seconds=None, at=START + timedelta(seconds=600), deliver="log")
        async with workshop(tmp_path, [once], clock=clock) as shop:
            assert shop.scheduler.upcoming(once) == [START + timedelta(seconds=600)]
        clock.turn(7_200)
        async with workshop(tmp_path, [once], clock=clock) as shop:
            (run,) = await shop.settled(lambda runs: len(runs) == 1)
            assert run.state is RunState.LATE
            assert shop.scheduler.upcoming(once) == []
            (standing,) = await shop.scheduler.standings()
            assert standing.overdue_seconds == 0.0
        assert schedule_text(once) == "at 2026-03-02T12:10:00+00:00"

    asyncio.run(scenario())


def test_a_look_that_finds_nothing_needs_no_place(tmp_path: Path) -> None:
    """The local tier is taken for an hour; whoever only looks is quiet at its own time."""

    async def scenario() -> None:
        held = Held()
        long = job(name="long", every_seconds=86_400.0, deliver="log", tiers=("local",))
        looks = job(name="looks", every_seconds=600.0, watch=INBOX, tiers=("local",))
        places = Places({"local": 1})
        async with workshop(tmp_path, [long, looks], script=held, places=places) as shop:
            await shop.scheduler.order("long")
            await asked(shop)
            shop.turn(600)
            (quiet,) = await until(shop, 1, RunState.QUIET)
            assert quiet.job == "looks"
            held.go.set()

    asyncio.run(scenario())
