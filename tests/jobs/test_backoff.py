"""A job that keeps failing is left alone for longer and longer, until it works again."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.jobs.making import START, job
from tests.jobs.workshop import workshop
from tests.worker.playing_main import completion, refusal
from twotier.domain.job import Run, RunState
from twotier.jobs.backoff import rests_until
from twotier.jobs.schedule_words import schedule_text
from twotier.jobs.store import new_run


def runs(*states: RunState) -> list[Run]:
    """Runs of these states, the newest first, a minute apart."""
    return [
        Run(f"r{number}", "inbox", START - timedelta(minutes=number), state)
        for number, state in enumerate(states)
    ]


@pytest.mark.parametrize(
    ("failures", "seconds"), [(2, 30), (3, 60), (4, 300), (5, 900), (6, 3_600), (20, 3_600)]
)
def test_the_rest_grows_with_the_failures_in_a_row(failures: int, seconds: int) -> None:
    """Half a minute, then one, five, fifteen, and an hour from the sixth on."""
    until, because = rests_until(job(), runs(*[RunState.FAILED] * failures, RunState.DONE))
    assert until == START + timedelta(seconds=seconds)
    assert because.startswith(f"its last {failures} runs failed, so it rests until ")
    assert because.endswith("; `twotier job run inbox` tries it now")


def test_one_failure_or_a_success_since_is_no_reason_to_rest() -> None:
    """Slots that were skipped, and runs that somebody ended, say nothing either way."""
    failed, quiet = RunState.FAILED, RunState.QUIET
    for states in ([], [failed], [quiet, failed, failed], [failed, quiet, failed]):
        assert rests_until(job(), runs(*states)) == (None, "")
    cut = (RunState.SKIPPED, failed, RunState.INTERRUPTED, failed, RunState.MISSED)
    until, because = rests_until(job(zone="Europe/Berlin"), runs(*cut))
    assert until == START - timedelta(minutes=1) + timedelta(seconds=30)
    assert "12:59:30" in because  # as its owner reads the clock


def test_slots_of_a_failing_job_are_skipped_and_a_success_ends_that(tmp_path: Path) -> None:
    """Every slot keeps its row and its reason. Who orders a run does not wait, and ends the rest
    with it.
    """

    async def scenario() -> None:
        well = False

        async def script(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
            return completion("well") if well else refusal(400, "not this")

        often = job(every_seconds=20.0, deliver="log")
        async with workshop(tmp_path, [often], script=script) as shop:
            for number in range(1, 6):
                found = await shop.turn_until(20, number)
            failed, skipped = RunState.FAILED, RunState.SKIPPED
            # At 20 and 40 it fails; 60 is within half a minute of that, 80 fails, 100 rests.
            assert [run.state for run in found] == [failed, failed, skipped, failed, skipped]
            assert "its last 2 runs failed" in found[2].because
            assert "its last 3 runs failed" in found[4].because
            (one,) = await shop.scheduler.standings()
            assert (one.failures, one.overdue_seconds) == (3, 0)
            well = True
            assert (await shop.by_hand("inbox")).state is RunState.DONE
            found = await shop.turn_until(20, 7)
            assert found[-1].state is RunState.DONE

    asyncio.run(scenario())


def test_what_rests_for_long_still_counts_as_failing(tmp_path: Path) -> None:
    """More skipped slots than are looked at do not hide the failures before them."""

    async def scenario() -> None:
        async def script(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
            return refusal(400, "not this")

        async with workshop(tmp_path, [job(deliver="log")], script=script) as shop:
            for _ in range(2):
                assert (await shop.by_hand("inbox")).state is RunState.FAILED
            slots = [START + timedelta(seconds=number) for number in range(1, 30)]
            rested = [new_run("inbox", slot, state=RunState.SKIPPED) for slot in slots]
            await shop.runs.write_due(rested, job="inbox", seen=START)
            (one,) = await shop.scheduler.standings()
            assert one.failures == 2

    asyncio.run(scenario())


def test_a_job_by_webhook_says_so() -> None:
    """The last kind of start has no time to tell."""
    assert schedule_text(job(every_seconds=None, webhook=True)) == "webhook"
    assert schedule_text(job(every_seconds=60.0, jitter_seconds=5.0)) == "every 1m, spread over 5s"
