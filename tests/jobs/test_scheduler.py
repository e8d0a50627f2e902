"""The loop: a row per slot, whatever happened meanwhile, and no run twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.jobs.making import START, HandClock, job
from tests.jobs.workshop import INBOX, workshop
from tests.worker.playing_main import completion
from twotier.domain.job import RunState
from twotier.errors import NotFoundError
from twotier.jobs.schedule_words import duration, schedule_text

INBOX_JOB = job(watch=INBOX, answer_lines=3, every_seconds=1800.0)


def test_a_day_of_empty_polls_is_48_quiet_rows_and_no_model_call(tmp_path: Path) -> None:
    """The article's dear mistake: 48 polls a day that find nothing. Here they cost nothing."""

    async def scenario() -> None:
        async with workshop(tmp_path, [INBOX_JOB]) as shop:
            for number in range(1, 49):
                runs = await shop.turn_until(1800, number)
            assert Counter(run.state for run in runs) == {RunState.QUIET: 48}
            assert shop.main.bodies == []
            assert sum(run.model_calls for run in runs) == 0
            assert [run.slot for run in runs] == [
                START + timedelta(seconds=1800 * number) for number in range(1, 49)
            ]
            looks = await shop.runs.looks(START, START + timedelta(days=1, seconds=1))
            assert {(one.quarter, one.job, one.count) for one in looks} == {
                (run.slot, "inbox", 1) for run in runs
            }
            assert await shop.runs.looks(START, START + timedelta(seconds=1800)) == []

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("missed", "states"),
    [
        ("once", {RunState.MISSED: 5, RunState.LATE: 1}),
        ("skip", {RunState.MISSED: 6}),
        ("within:60", {RunState.MISSED: 6}),
        ("within:900", {RunState.MISSED: 5, RunState.LATE: 1}),
    ],
)
def test_slots_missed_while_down_follow_the_policy(
    tmp_path: Path, missed: str, states: dict[RunState, int]
) -> None:
    """Down for three hours and a quarter: at most one run stands for six slots."""

    async def scenario() -> None:
        one = job(every_seconds=1800.0, missed=missed, deliver="log")
        clock = HandClock()
        async with workshop(tmp_path, [one], clock=clock):
            pass
        clock.turn(3 * 3600 + 300)
        async with workshop(tmp_path, [one], clock=clock) as shop:
            runs = await shop.settled(lambda runs: len(runs) == 6)
            assert Counter(run.state for run in runs) == states
            assert all("twotier was not running" in run.because for run in runs)
        async with workshop(tmp_path, [one], clock=clock) as shop:
            assert len(await shop.all_runs()) == 6  # a restart finds nothing new

    asyncio.run(scenario())


def test_a_sleep_of_the_machine_is_like_being_down(tmp_path: Path) -> None:
    """Suspended for hours, the program wakes to one late run, not to a burst."""

    async def scenario() -> None:
        async with workshop(tmp_path, [job(every_seconds=600.0, deliver="log")]) as shop:
            runs = await shop.turn_until(3 * 3600 + 120, 18)
            assert Counter(run.state for run in runs) == {RunState.MISSED: 17, RunState.LATE: 1}
            assert len(shop.main.bodies) == 1

    asyncio.run(scenario())


def test_a_slot_during_the_previous_run_is_skipped_with_the_reason(tmp_path: Path) -> None:
    """A job never runs twice at a time, and the slot's row says why it did not run."""

    async def scenario() -> None:
        answer = asyncio.Event()

        async def held(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
            await answer.wait()
            return completion("done")

        slow = job(every_seconds=10.0, deliver="log")
        async with workshop(tmp_path, [slow], script=held) as shop:
            shop.turn(10)
            async with asyncio.timeout(60):
                await shop.main.asked.wait()
            shop.turn(10)
            await shop.rows(2)
            answer.set()
            first, second = await shop.settled(lambda runs: len(runs) == 2)
            assert (first.state, second.state) == (RunState.DONE, RunState.SKIPPED)
            assert first.id in second.because
            assert len(shop.main.bodies) == 1

    asyncio.run(scenario())


def test_a_job_that_is_new_or_changed_or_was_off_has_missed_nothing(tmp_path: Path) -> None:
    """Slots count from the moment a schedule is known and on."""

    async def scenario() -> None:
        clock = HandClock()
        async with workshop(tmp_path, [job(every_seconds=600.0)], clock=clock):
            pass
        clock.turn(86_400)
        async with workshop(tmp_path, [job(every_seconds=900.0)], clock=clock) as shop:
            assert await shop.all_runs() == []
        async with workshop(tmp_path, [job(every_seconds=900.0, enabled=False)], clock=clock):
            clock.turn(86_400)
        async with workshop(tmp_path, [job(every_seconds=900.0)], clock=clock) as shop:
            assert await shop.all_runs() == []

    asyncio.run(scenario())


def test_a_clock_set_back_runs_no_slot_twice(tmp_path: Path) -> None:
    """The same slot comes round again; its row is there, so nothing happens."""

    async def scenario() -> None:
        one = job(every_seconds=600.0, deliver="log")
        clock = HandClock()
        async with workshop(tmp_path, [one], clock=clock) as shop:
            await shop.turn_until(600, 1)
        async with workshop(tmp_path, [one], clock=HandClock()) as shop:
            shop.turn(600)
            runs = await shop.turn_until(600, 2)
            assert [run.slot for run in runs] == [
                START + timedelta(seconds=600),
                START + timedelta(seconds=1200),
            ]

    asyncio.run(scenario())


def test_a_run_that_is_cut_off_too_often_is_given_up(tmp_path: Path) -> None:
    """A run that kills its machine five times is not tried a sixth time, nor are its items."""

    async def scenario() -> None:
        async def stall(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
            await asyncio.sleep(60)
            return completion("never")

        clock = HandClock()
        for number in range(5):
            async with workshop(tmp_path, [INBOX_JOB], clock=clock, script=stall) as shop:
                if number == 0:
                    shop.drop("poison.txt")
                    await shop.scheduler.order("inbox")
                async with asyncio.timeout(60):
                    await shop.main.asked.wait()
        async with workshop(tmp_path, [INBOX_JOB], clock=clock) as shop:
            (run,) = await shop.settled(lambda runs: len(runs) == 1)
            assert (run.state, run.tries) == (RunState.INTERRUPTED, 5)
            assert (await shop.by_hand("inbox")).state is RunState.QUIET
            assert shop.main.bodies == []

    asyncio.run(scenario())


def test_a_run_of_a_job_that_is_gone_is_interrupted(tmp_path: Path) -> None:
    """It cannot be resumed, and does not stay on the way for ever."""

    async def scenario() -> None:
        async with workshop(tmp_path, [INBOX_JOB]) as shop:
            run = await shop.runs.add_by_hand("inbox")
        async with workshop(tmp_path, []) as shop:
            found = await shop.runs.run(run.id)
            assert found is not None
            assert found.state is RunState.INTERRUPTED
            assert "not in the configuration" in found.because

    asyncio.run(scenario())


def test_at_most_two_runs_at_a_time(tmp_path: Path) -> None:
    """Five jobs are due; the third begins when one of the first two is over."""

    async def scenario() -> None:
        most = now = 0

        async def counting(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
            nonlocal most, now
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.05)
            now -= 1
            return completion("done")

        jobs = [job(name=f"job{number}", every_seconds=60.0, deliver="log") for number in range(5)]
        async with workshop(tmp_path, jobs, script=counting) as shop:
            runs = await shop.turn_until(60, 5)
            assert {run.state for run in runs} == {RunState.DONE}
            assert most == 2

    asyncio.run(scenario())


def test_a_run_by_hand_waits_for_the_one_before(tmp_path: Path) -> None:
    """Two orders at once are two runs, one after the other, each with its own row."""

    async def scenario() -> None:
        off = job(deliver="log", enabled=False)
        async with workshop(tmp_path, [off]) as shop:
            first, second = await shop.scheduler.order("inbox"), await shop.scheduler.order("inbox")
            assert first.id != second.id
            await shop.scheduler.ended(second.id, within_seconds=60)
            runs = await shop.all_runs()
            assert [run.state for run in runs] == [RunState.DONE, RunState.DONE]
            assert {run.trigger for run in runs} == {"hand"}
            with pytest.raises(NotFoundError, match="there are: inbox"):
                await shop.scheduler.order("nope")

    asyncio.run(scenario())


def test_a_fault_in_one_job_is_its_own(tmp_path: Path) -> None:
    """Something nobody thought of fails that run, with its name, and the worker lives on."""

    async def scenario() -> None:
        broken = job(name="broken", zone="UTC", watch=INBOX | {"items_max": "many"})
        async with workshop(tmp_path, [broken, job(deliver="log")]) as shop:
            run = await shop.by_hand("broken")
            assert run.state is RunState.FAILED
            assert run.because.startswith("internal: ValueError")
            assert (await shop.by_hand("inbox")).state is RunState.DONE

    asyncio.run(scenario())


def test_schedules_are_told_as_people_write_them() -> None:
    """The same words as in the configuration."""
    assert [duration(seconds) for seconds in (0, 1.5, 90, 5400, 86_400)] == [
        "0s",
        "1.5s",
        "1m30s",
        "1h30m",
        "1d",
    ]
    assert schedule_text(job(every_seconds=1800.0)) == "every 30m"
    weekdays = job(every_seconds=None, cron="30 6 * * 1-5", zone="Europe/Berlin")
    assert schedule_text(weekdays) == "cron 30 6 * * 1-5 Europe/Berlin"
