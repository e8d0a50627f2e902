"""Runs take places at tiers: never more than a tier has, the oldest slot first."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.jobs.making import START, job
from twotier.domain.job import Run
from twotier.jobs.places import Place, Places
from twotier.jobs.store import new_run

LOCAL = job(tiers=("local",))
EITHER = job(tiers=("local", "opus"))


def run_at(seconds: float, *, trigger: str = "schedule") -> Run:
    """A run whose slot is so many seconds after the start."""
    return replace(new_run("inbox", START + timedelta(seconds=seconds)), trigger=trigger)


def test_the_oldest_slot_goes_first_and_what_a_person_ordered_before_all() -> None:
    """However they came to wait."""

    async def scenario() -> None:
        places, order = Places({"local": 1}), list[float]()
        first = await places.take(LOCAL, run_at(0))

        async def wants(seconds: float, trigger: str) -> None:
            place = Place(places, LOCAL, run_at(seconds, trigger=trigger))
            await place.take()
            order.append(seconds)
            place.leave()

        async with asyncio.TaskGroup() as group:
            for seconds, trigger in ((9, "schedule"), (3, "schedule"), (20, "hand"), (5, "hand")):
                group.create_task(wants(seconds, trigger))
            await asyncio.sleep(0)
            assert order == []
            places.leave(first)
        assert order == [5, 20, 3, 9]

    asyncio.run(scenario())


def test_a_job_that_may_use_two_tiers_takes_what_is_free() -> None:
    """Its first choice where that is free; a job for one tier waits though the other is idle."""

    async def scenario() -> None:
        places = Places({"local": 1, "opus": 1})
        assert await places.take(EITHER, run_at(0)) == "local"
        assert await places.take(EITHER, run_at(1)) == "opus"
        place = Place(places, LOCAL, run_at(2))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await place.take()
        places.use({"local": 2, "opus": 1})
        await place.take()
        await place.take()  # it has one, and takes no second
        assert place.tier == "local"
        place.leave()
        place.leave()
        assert await places.take(job(), run_at(3)) == ""

    asyncio.run(scenario())


def test_a_place_given_to_one_who_left_is_given_on() -> None:
    """Cancelled in the very moment it got its place, a run keeps nobody waiting."""

    async def scenario() -> None:
        places = Places({"local": 1})
        first = await places.take(LOCAL, run_at(0))
        async with asyncio.TaskGroup() as group:
            leaver = group.create_task(places.take(LOCAL, run_at(1)))
            await asyncio.sleep(0)
            places.leave(first)
            leaver.cancel()
        assert await places.take(LOCAL, run_at(2)) == "local"

    asyncio.run(scenario())
