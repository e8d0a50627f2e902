"""What a job does while its local tier is down, as it says itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.jobs.making import job
from tests.jobs.workshop import INBOX, workshop
from tests.worker.playing_main import completion, refusal
from twotier.domain.job import RunState
from twotier.domain.tier import TierPolicy


async def local_down(request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
    """The local tier stays down for longer than any run has; the other one answers."""
    if request.headers["x-twotier-policy"] == TierPolicy.FRONTIER:
        return completion("from afar", cost_usd="0.600000")
    return refusal(503, "tier local: loading", **{"retry-after": "600"})


def test_a_job_that_waits_is_known_to_wait(tmp_path: Path) -> None:
    """Its run fails with the reason, its standing counts the slots, and no money is spent."""

    async def scenario() -> None:
        waits = job(when_local_is_down="wait", deliver="log")
        async with workshop(tmp_path, [waits], script=local_down) as shop:
            for number in (1, 2):
                found = await shop.turn_until(600, number)
            assert {run.state for run in found} == {RunState.FAILED}
            assert "the local tier is down: " in found[-1].because
            (one,) = await shop.scheduler.standings()
            assert (one.failures, one.waiting) == (2, 2)
            assert {headers["x-twotier-policy"] for headers in shop.main.headers} == {"local-only"}

    asyncio.run(scenario())


def test_a_job_that_skips_has_not_failed(tmp_path: Path) -> None:
    """The slot says why nothing was done."""

    async def scenario() -> None:
        skips = job(when_local_is_down="skip", deliver="log")
        async with workshop(tmp_path, [skips], script=local_down) as shop:
            (run,) = await shop.turn_until(600, 1)
            assert run.state is RunState.SKIPPED
            assert "the local tier is down" in run.because
            (one,) = await shop.scheduler.standings()
            assert (one.failures, one.waiting) == (0, 0)

    asyncio.run(scenario())


def test_a_job_that_has_no_model_to_ask_is_parked_and_has_not_failed(tmp_path: Path) -> None:
    """Once is enough: nothing is asked again before there can be one."""

    async def no_model(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
        error = {"message": "no tier is configured", "code": "no_model"}
        return web.json_response({"error": error}, status=503)

    async def scenario() -> None:
        async with workshop(tmp_path, [job(deliver="log")], script=no_model) as shop:
            (run,) = await shop.turn_until(600, 1)
            assert run.state is RunState.SKIPPED
            assert run.because == "parked until there is a model: no tier is configured"
            assert len(shop.main.headers) == 1
            (one,) = await shop.scheduler.standings()
            assert one.failures == 0

    asyncio.run(scenario())


def test_a_job_spends_so_much_a_day_elsewhere_and_no_more(tmp_path: Path) -> None:
    """One answer of 60 cents is within a dollar, so is the second one's start; not a third."""

    async def scenario() -> None:
        spends = job(
            when_local_is_down="frontier:1", deliver="log", tier=TierPolicy.LOCAL_THEN_FRONTIER
        )
        async with workshop(tmp_path, [spends], script=local_down) as shop:
            for number in (1, 2, 3):
                found = await shop.turn_until(600, number)
            done, failed = RunState.DONE, RunState.FAILED
            assert [run.state for run in found] == [done, done, failed]
            assert "today's $1.00 for the frontier tier are spent" in found[-1].because
            assert sum(run.cost_microusd for run in found) == 1_200_000

    asyncio.run(scenario())


def test_what_is_for_this_machine_alone_stays_here(tmp_path: Path) -> None:
    """A split job's long items are read here or not at all, though its own question may leave."""

    async def scenario() -> None:
        watch = INBOX | {"item_bytes_max": 100_000}
        reads = job(
            when_local_is_down="frontier:1",
            deliver="log",
            tier=TierPolicy.LOCAL_THEN_FRONTIER,
            watch=watch,
            split=True,
        )
        async with workshop(tmp_path, [reads], script=local_down) as shop:
            shop.drop("long.txt", "one line of many\n" * 2_000)
            run = await shop.by_hand("inbox")
            assert (run.state, run.cost_microusd) == (RunState.FAILED, 0)
            assert "the local tier is down" in run.because
            assert {headers["x-twotier-policy"] for headers in shop.main.headers} == {"local-only"}

    asyncio.run(scenario())
