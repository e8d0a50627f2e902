"""Runs that wait for a batch: they hold nobody up, ask again, and tell what they do."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.jobs.making import job
from tests.jobs.test_runner import GOOD, outbox, turned_until_over
from tests.jobs.workshop import INBOX, Workshop, workshop
from tests.worker.playing_main import Script, completion, refusal
from twotier.domain.job import Run, RunState

FILES = job(watch=INBOX, answer_lines=3, every_seconds=86_400.0, batch=True)


def waits() -> web.Response:
    """What main says while a batch has not ended."""
    return web.json_response({"state": "waits"}, headers={"x-twotier-batch": "waits"})


class Batches:
    """Main with batches: every step waits `rounds` times, then gets its next answer."""

    def __init__(self, rounds: int, *answers: str) -> None:
        self.rounds = rounds
        self.asked: dict[str, int] = {}
        self.order: list[str] = []
        self._answers = list(answers)
        self._given: dict[str, str] = {}

    async def __call__(self, request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        assert request.headers["x-twotier-batch"] == "yes"
        step = request.headers["x-twotier-run"] + request.headers["x-twotier-step"]
        self.order.append(step)
        self.asked[step] = self.asked.get(step, 0) + 1
        if self.asked[step] <= self.rounds:
            return waits()
        if step not in self._given:
            left = self._answers
            self._given[step] = left.pop(0) if len(left) > 1 else left[0]
        return completion(self._given[step], cost_usd="0.001000")


async def over(shop: Workshop, name: str) -> Run:
    return await turned_until_over(
        await shop.scheduler.order(name), shop.scheduler.ended, shop.clock
    )


def test_all_parts_of_a_run_wait_at_the_same_time(tmp_path: Path) -> None:
    """Each is asked before any is asked again; then all are delivered like any other."""
    main = Batches(2, GOOD)

    async def scenario() -> None:
        async with workshop(tmp_path, [FILES], script=main) as shop:
            for name in ("a.txt", "b.txt", "c.txt"):
                shop.drop(name)
            run = await over(shop, "inbox")
            assert (run.state, run.because) == (RunState.DONE, "3 new items")
            assert (run.model_calls, run.cost_microusd) == (3, 3_000)
            assert sorted(outbox(tmp_path)) == ["a.txt", "b.txt", "c.txt"]

    asyncio.run(scenario())
    assert len(set(main.order[:3])) == len(set(main.order[3:6])) == 3
    assert set(main.asked.values()) == {3}


def test_an_answer_that_was_not_good_enough_is_counted_once(tmp_path: Path) -> None:
    """The second question waits too; the first is not fetched and paid for again meanwhile."""
    main = Batches(1, json.dumps(["one"]), GOOD)

    async def scenario() -> None:
        async with workshop(tmp_path, [FILES], script=main) as shop:
            shop.drop("a.txt")
            run = await over(shop, "inbox")
            assert run.state is RunState.DONE
            assert (run.model_calls, run.cost_microusd) == (2, 2_000)

    asyncio.run(scenario())
    assert sorted(main.asked.values()) == [2, 2]


def test_runs_that_wait_let_others_work_and_say_so(tmp_path: Path) -> None:
    """Two fill every place and wait; a third goes past them. A try that waits is none that hurt."""
    slow = Batches(10**6, GOOD)

    async def both(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        batched = "x-twotier-batch" in request.headers
        return await slow(request, body) if batched else completion("fine")

    async def scenario(script: Script) -> None:
        jobs = [job(name=name, batch=True, deliver="log") for name in ("one", "two")]
        jobs.append(job(name="quick", deliver="log"))
        async with workshop(tmp_path, jobs, script=script) as shop:
            for name in ("one", "two"):
                await shop.scheduler.order(name)
            async with asyncio.timeout(60):
                while True:
                    runs = await shop.runs.latest(states=[RunState.RUNNING])
                    if [run.because for run in runs] == ["waits for a batch"] * 2:
                        break
                    await asyncio.sleep(0.01)
            assert [run.tries for run in runs] == [0, 0]
            assert (await shop.by_hand("quick")).state is RunState.DONE

    asyncio.run(scenario(both))


def test_waiting_ends_with_the_deadline(tmp_path: Path) -> None:
    async def scenario() -> None:
        one = job(batch=True, deliver="log")
        async with workshop(tmp_path, [one], script=Batches(10**6, GOOD)) as shop:
            run = await over(shop, "inbox")
            assert run.state is RunState.FAILED
            assert "deadline" in run.because
            assert shop.main.over == [run.id]

    asyncio.run(scenario())


def test_what_waits_is_fetched_though_another_part_was_refused(tmp_path: Path) -> None:
    """A limit stops what is not asked yet; what is in a batch may be paid for already."""
    main = Batches(1, GOOD)

    async def capped(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        reply = await main(request, body)
        return refusal(402, "the day's limit is reached") if len(main.order) == 3 else reply

    async def scenario() -> None:
        async with workshop(tmp_path, [FILES], script=capped) as shop:
            for name in ("a.txt", "b.txt"):
                shop.drop(name)
            run = await over(shop, "inbox")
            assert run.state is RunState.FAILED
            assert "the day's limit is reached" in run.because
            assert len(outbox(tmp_path)) == 1

    asyncio.run(scenario())


def test_a_worker_that_stops_does_not_wait_for_a_batch(tmp_path: Path) -> None:
    """The run stays on its way, and nobody is told that it is over."""

    async def scenario() -> None:
        one = job(batch=True, deliver="log")
        async with workshop(tmp_path, [one], script=Batches(10**6, GOOD)) as shop:
            run = await shop.scheduler.order("inbox")
            await shop.main.asked.wait()
            shop.stop.ask("told to", grace_seconds=20.0)
            async with asyncio.timeout(60):
                while shop.scheduler._running:
                    shop.turn(1)
                    await asyncio.sleep(0.01)
            found = await shop.runs.run(run.id)
            assert found is not None
            assert (found.state, shop.main.over) == (RunState.RUNNING, [])

    asyncio.run(scenario())
