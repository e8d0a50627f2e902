"""Real workers that are killed at any moment, and what must be true afterwards.

Main is played: like the real one it keeps a finished answer under its idempotency key, and writes a
bill. Everything else is real: the worker process, its databases, the engine, the files.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.worker.playing_main import (
    SECONDS_MAX,
    Worker,
    cold,
    completion,
    paths_of,
    playing_main,
)
from twotier.clock import SystemClock
from twotier.domain.job import Run, RunState
from twotier.jobs.database import Database
from twotier.jobs.engine import Engine, Step
from twotier.jobs.store import ON_THE_WAY, RunStore

JOBS = 4
RUNS_AT_ONCE = 2
PARTS = 3  # of a run: a model call, a store and a delivery each
ANSWER_SECONDS = 0.03

JOB = """
[[jobs]]
name = "inbox{number}"
every = "{every}"
watch = {{ kind = "files", path = "inbox{number}", settle_seconds = 0, items_max = {parts} }}
tier = "local-only"
prompt = "Summarise."
deadline = "6h"
deliver = "file:outbox{number}/{{stem}}.txt"
"""


@dataclass
class Bill:
    """What main was asked and what it charged for, by idempotency key."""

    asked: Counter[str] = field(default_factory=Counter)
    paid: Counter[str] = field(default_factory=Counter)

    async def answer(self, request: web.Request, _: dict[str, Any]) -> web.StreamResponse:
        """A kept answer is repeated; an unfinished one is asked for anew."""
        key = request.headers["idempotency-key"]
        self.asked[key] += 1
        if key not in self.paid:
            await asyncio.sleep(ANSWER_SECONDS)
            self.paid[key] += 1
        return completion("fine", cost_usd="0.001000")


def home_of(folder: Path, *, runs: int, database: str = "") -> Path:
    """A configuration with jobs whose inboxes are full: work for so many runs."""
    text = f'[work]\ndatabase = "{database}"\n' if database else ""
    for number in range(JOBS):
        text += JOB.format(number=number, every="30d", parts=PARTS)
        inbox = folder / f"inbox{number}"
        inbox.mkdir(parents=True)
        for item in range(PARTS * ceil(runs / JOBS)):
            (inbox / f"{number}-{item:03d}.txt").write_text(f"text {item}", encoding="utf-8")
    text += JOB.format(number="-slots", every="1s", parts=PARTS)
    (folder / "inbox-slots").mkdir()
    (folder / "twotier.toml").write_text(text, encoding="utf-8")
    return folder


async def chaos(home: Path, *, runs: int, kills: int, seed: int) -> tuple[Bill, list[str]]:
    """Order the runs, kill the worker so often, then let the last one work until all is over.

    Returns the bill and the ids of the runs that were ordered.
    """
    chance, bill = random.Random(seed), Bill()
    ordered: list[str] = []
    async with playing_main(home, bill.answer):
        for number in range(kills + 1):
            process = await cold(home)
            worker = Worker(home, process)
            try:
                await worker.ready()
                while len(ordered) < runs:
                    ordered.append(await order(worker, f"inbox{len(ordered) % JOBS}"))
                if number < kills:
                    await got_on(bill, 2 * PARTS * RUNS_AT_ONCE * (number % 2), most=runs * PARTS)
                    await asyncio.sleep(chance.uniform(0.0, 0.6))
                else:
                    await all_over(worker, ordered)
            except aiohttp.ClientError as exc:
                async with asyncio.timeout(SECONDS_MAX):
                    said = (await process.communicate())[1].decode()
                raise AssertionError(f"the worker has gone ({exc}): {said}") from exc
            finally:
                alone = process.returncode
                if alone is None:
                    process.kill()
                said = (await process.communicate())[1].decode()
            assert alone is None, f"the worker ended by itself: {said}"
    return bill, ordered


async def got_on(bill: Bill, parts: int, *, most: int) -> None:
    """Wait for so many more answers: who is cut off five times in a row is given up."""
    wanted = min(len(bill.paid) + parts, most)
    async with asyncio.timeout(SECONDS_MAX):
        while len(bill.paid) < wanted:  # noqa: ASYNC110 - a list of what was paid
            await asyncio.sleep(0.01)


async def order(worker: Worker, job: str) -> str:
    """A run by hand; its id."""
    return str((await worker.get(f"/jobs/{job}/run", method="POST"))["run"])


async def all_over(worker: Worker, ids: list[str]) -> None:
    """Wait until the runs have ended."""
    async with asyncio.timeout(2 * SECONDS_MAX):
        while True:
            found = {
                run["id"]: run["state"] for run in (await worker.get("/runs?limit=1000"))["runs"]
            }
            if all(found.get(one, "due") not in ON_THE_WAY for one in ids):
                return
            await asyncio.sleep(0.1)


@dataclass(frozen=True)
class Left:
    """What lies in the databases afterwards."""

    runs: list[Run]
    steps: dict[str, list[Step]]


async def left(home: Path, ids: list[str], *, url: str = "") -> Left:
    """Read it."""
    paths = paths_of(home)
    database = Database.open(paths.work, url=url)
    engine = Engine.on(paths.engine, url=url)
    try:
        rows = await RunStore(database, SystemClock()).latest(limit=100_000)
        return Left(rows, {one: await engine.steps(one) for one in ids})
    finally:
        await engine.close()
        database.close()


def proven(home: Path, found: Left, *, bill: Bill, ordered: list[str], kills: int) -> None:
    """Every run ended, no finished step was repeated, nothing was paid twice, no slot is lost."""
    rows = {run.id: run for run in found.runs}
    assert len(rows) == len(found.runs)
    ends = Counter((rows[one].state, rows[one].because) for one in ordered)
    assert {state for state, _ in ends} == {RunState.DONE}, ends
    parts = len(ordered) * PARTS
    for one in ordered:
        names = [step.name for step in found.steps[one]]
        assert names == ["begin", *["model", "store", "deliver"] * PARTS], (one, names)
        assert (rows[one].model_calls, rows[one].cost_microusd) == (PARTS, 1_000 * PARTS), rows[one]
    assert len(bill.paid) == parts
    assert set(bill.paid.values()) == {1}
    # Asked again was only what was under way when a worker died.
    assert sum(bill.asked.values()) - parts <= kills * RUNS_AT_ONCE
    delivered = [path.name for path in home.glob("outbox*/*.txt")]
    assert len(delivered) == len(set(delivered)) == parts
    slots = sorted(run.slot for run in found.runs if run.job == "inbox-slots")
    gaps = {(later - sooner).total_seconds() for sooner, later in itertools.pairwise(slots)}
    assert gaps <= {1.0}, gaps
