"""Jobs that had no model to ask: made up for as soon as there is one, if their file wants that."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.jobs.making import START as NOW
from tests.jobs.making import job
from tests.jobs.workshop import Workshop, workshop
from tests.worker.playing_main import three_lines
from twotier.domain.job import Job, Run, RunState
from twotier.jobs.parked import LOOK_SECONDS, UNPARKED, unpark, wanted
from twotier.jobs.store import new_run

WAITS = "parked until there is a model: no tier is configured"


def ended(hours_ago: float, because: str = WAITS, *, trigger: str = "schedule") -> Run:
    """A run that ended so long ago."""
    run = new_run("inbox", NOW - timedelta(hours=hours_ago), trigger=trigger)
    return replace(run, state=RunState.SKIPPED, because=because)


@pytest.mark.parametrize(
    ("missed", "runs", "wants"),
    [
        ("once", [ended(30)], True),
        ("once", [ended(1, "nothing new"), ended(30)], False),
        ("once", [], False),
        ("skip", [ended(1)], False),
        ("skip", [ended(0.001)], True),
        ("within:7200", [ended(1)], True),
        ("within:7200", [ended(3)], False),
        # A try at a parked slot makes it no younger.
        ("within:7200", [ended(1, trigger=UNPARKED), ended(3)], False),
        ("within:7200", [ended(1, trigger=UNPARKED)], True),
    ],
)
def test_what_was_parked_is_made_up_for_as_a_missed_slot_is(
    missed: str, runs: list[Run], wants: bool
) -> None:
    """By the age of the slot and the job's own word."""
    assert wanted(job(missed=missed), runs, now=NOW) is wants


class Tiers:
    """Those that have what they need, as the test says."""

    def __init__(self) -> None:
        self.there: set[str] = set()
        self.asked = 0

    async def __call__(self) -> set[str]:
        self.asked += 1
        return set(self.there)


async def no_model(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
    error = {"message": "no tier is configured", "code": "no_model"}
    return web.json_response({"error": error}, status=503)


async def looked(shop: Workshop, tiers: Tiers) -> None:
    """Let time pass until it has been asked once more which tiers there are."""
    before = tiers.asked
    async with asyncio.timeout(60):
        while tiers.asked == before:
            shop.turn(LOOK_SECONDS)
            await asyncio.sleep(0.005)


def test_a_key_that_appears_wakes_what_waits_for_it(tmp_path: Path) -> None:
    """Not what may not use it, is paused or wants no late run; and once for each set of tiers."""

    async def scenario() -> None:
        jobs = [
            job(name="any", every_seconds=864e5, deliver="log"),
            job(name="here", every_seconds=864e5, deliver="log", tiers=("local",)),
            job(name="prompt", every_seconds=864e5, deliver="log", missed="skip"),
        ]
        tiers = Tiers()
        async with workshop(tmp_path, jobs, script=no_model) as shop:
            for one in jobs:
                await shop.by_hand(one.name)
            shop.turn(100)
            await shop.settled(lambda runs: len(runs) == 3)
            waits = unpark(shop.scheduler, shop.runs, models=tiers, clock=shop.clock)
            task = asyncio.create_task(waits)
            await looked(shop, tiers)
            tiers.there = {"frontier"}
            await looked(shop, tiers)
            await shop.settled(lambda runs: len(runs) == 4)
            await looked(shop, tiers)
            runs = await shop.settled(lambda runs: len(runs) == 4)
            assert (runs[-1].job, runs[-1].trigger) == ("any", UNPARKED)
            assert runs[-1].because.startswith("parked"), "there is a key, and still no model"
            shop.main.script = three_lines
            tiers.there = {"frontier", "local"}
            await looked(shop, tiers)
            runs = await shop.settled(lambda runs: len(runs) == 6)
            assert {(run.job, run.state) for run in runs[-2:]} == {
                ("any", RunState.DONE),
                ("here", RunState.DONE),
            }
            task.cancel()

    asyncio.run(scenario())


def test_nobody_is_asked_while_nothing_is_parked(tmp_path: Path) -> None:
    """A paused job and one that is switched off do not count."""

    async def scenario() -> None:
        jobs: list[Job] = [
            job(name="a", every_seconds=864e5, deliver="log"),
            job(name="b", deliver="log"),
        ]
        tiers = Tiers()
        async with workshop(tmp_path, jobs, script=no_model) as shop:
            for one in jobs:
                await shop.by_hand(one.name)
            await shop.scheduler.pause("a")
            await shop.scheduler.use([jobs[0], replace(jobs[1], enabled=False)])
            waits = unpark(shop.scheduler, shop.runs, models=tiers, clock=shop.clock)
            task = asyncio.create_task(waits)
            for _ in range(5):
                shop.turn(LOOK_SECONDS)
                await asyncio.sleep(0.02)
            assert tiers.asked == 0
            task.cancel()

    asyncio.run(scenario())
