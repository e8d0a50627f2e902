"""Two real workers on one PostgreSQL: each slot is one run, and the dead one's work goes on."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.jobs.postgres import postgres
from tests.worker.playing_main import Worker, completion, playing_main, worker
from twotier.agent.model import Answer
from twotier.clock import SystemClock
from twotier.jobs.database import Database
from twotier.jobs.lease import LEASE_SECONDS, Lease
from twotier.jobs.results import ResultStore
from twotier.jobs.store import ON_THE_WAY, RunStore
from twotier.jobs.trials import Trial, TrialStore

CONFIG = """
[work]
database = "env:TT_SHARED_DATABASE"
lease = "2s"
[[jobs]]
name = "often"
every = "1s"
prompt = "Say yes."
deliver = "log"
[[jobs]]
name = "inbox"
every = "30d"
watch = {{ kind = "files", path = "{inbox}", settle_seconds = 0 }}
prompt = "Summarise."
deadline = "60s"
deliver = "file:outbox/{{stem}}.txt"
"""


@dataclass
class Bill:
    """The bill of the one account behind both mains. The third answer of the inbox is held until
    the first worker is dead.
    """

    paid: Counter[str] = field(default_factory=Counter)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    dead: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        """A kept answer is repeated and costs nothing."""
        key = request.headers["idempotency-key"]
        if "text c" in str(body["messages"]):
            self.held.set()
            await self.dead.wait()
        if key not in self.paid:
            self.paid[key] += 1
        return completion("fine", cost_usd="0.001000")


async def ended(worker: Worker, run: str) -> dict[str, Any]:
    """The run as soon as it is over."""
    return await worker.get(f"/runs/{run}?wait_seconds=30")


async def alive(database: Database, owner: str) -> None:
    """Say that this worker lives."""
    await Lease(database, SystemClock(), owner=owner, seconds=LEASE_SECONDS).beat()


@pytest.mark.slow
def test_a_model_call_that_is_told_again_is_counted_once(tmp_path: Path) -> None:
    """A worker killed after it counted tells it once more. PostgreSQL's driver does not say how
    many rows an insert wrote, so the sums of a run once held that call twice.
    """
    answer = Answer("yes", False, "frontier", "a/opus", "explicit", "req-1", 30, 5_000)

    async def scenario(url: str) -> None:
        database = Database.open(tmp_path / "none.db", url=url)
        try:
            runs = RunStore(database, SystemClock())
            results = ResultStore(database, SystemClock())
            run = await runs.start((await runs.add_by_hand("inbox")).id)
            for _ in range(2):
                await results.count_call(run.id, answer, step="1")
            found = await runs.run(run.id)
            assert found is not None
            assert (found.model_calls, found.cost_microusd) == (1, 5_000)
        finally:
            database.close()

    with postgres() as url:
        if url is None:
            pytest.skip("there is no PostgreSQL: neither /usr/lib/postgresql nor a wheel of it")
        asyncio.run(scenario(url))


@pytest.mark.slow
def test_one_worker_at_a_time_is_at_a_trial(tmp_path: Path) -> None:
    """As it is with runs: the other one waits until it has left it, or is dead; a model that was
    loaded for it is given back by the machine that loaded it, and by no other.
    """

    async def scenario(url: str) -> None:
        database = Database.open(tmp_path / "none.db", url=url)
        try:
            first, second = (
                TrialStore(database, SystemClock(), owner=name, lease_seconds=LEASE_SECONDS)
                for name in ("first", "second")
            )
            await alive(database, "first")
            await first.add(Trial("trial-1", "inbox", "shadow", "local", "local-only"))
            assert (await first.take("trial-1"), await second.take("trial-1")) == (True, False)
            assert await first.take("trial-1")
            await second.leave("trial-1")  # it is not its own
            assert not await second.take("trial-1")
            await first.leave("trial-1")
            assert (await second.take("trial-1"), await first.take("trial-1")) == (True, True)
            await first.change("trial-1", swapped_from="local")
            await first.leave("trial-1")
            dead = "UPDATE workers SET seen_ms = seen_ms - 60000"
            await database.do(lambda connection: connection.exec_driver_sql(dead))
            assert not await second.take("trial-1")
            await first.change("trial-1", swapped_from="")
            assert (await second.take("trial-1"), await second.take("nothing")) == (True, False)
        finally:
            database.close()

    with postgres() as url:
        if url is None:
            pytest.skip("there is no PostgreSQL: neither /usr/lib/postgresql nor a wheel of it")
        asyncio.run(scenario(url))


@pytest.mark.slow
def test_each_slot_is_one_run_and_the_living_goes_on_for_the_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other worker takes over the steps that are done, asks only for what was under way, and
    nothing is paid for twice. No slot has two rows, none is lost.
    """

    async def scenario() -> None:
        bill = Bill()
        inbox = tmp_path / "inbox"
        inbox.mkdir()
        for name in "abc":
            (inbox / f"{name}.txt").write_text(f"text {name}", encoding="utf-8")
        async with AsyncExitStack() as stack:
            both = []
            for name in ("first", "second"):
                home = tmp_path / name
                home.mkdir()
                text = CONFIG.format(inbox=inbox)
                (home / "twotier.toml").write_text(text, encoding="utf-8")
                await stack.enter_async_context(playing_main(home, bill.answer))
                both.append(await stack.enter_async_context(worker(home)))
            first, second = both
            run = str((await first.get("/jobs/inbox/run", method="POST"))["run"])
            async with asyncio.timeout(60):
                await bill.held.wait()
            first.process.kill()
            await first.process.wait()
            bill.dead.set()
            over = await ended(second, run)
            assert (over["state"], over["model_calls"], over["tries"]) == ("done", 3, 2), over
            steps = (await second.get(f"/runs/{run}/steps"))["steps"]
            done = ["begin", *["model", "store", "deliver"] * 3]
            assert [step["name"] for step in steps] == done
            rows = (await second.get("/runs?job=often&limit=1000"))["runs"]
        asked = Counter(key.rpartition(":")[0] for key in bill.paid if key.startswith(run))
        assert sum(asked.values()) == 3
        slots = [row["slot"] for row in rows]
        assert len(slots) == len(set(slots)) >= 2
        over_rows = [row for row in rows if row["state"] not in ON_THE_WAY]
        assert sum(row["model_calls"] for row in over_rows) <= len(over_rows)
        often = Counter(key.split(":")[0] for key in bill.paid if key.startswith("often"))
        assert set(often.values()) == {1}

    with postgres() as url:
        if url is None:
            pytest.skip("there is no PostgreSQL: neither /usr/lib/postgresql nor a wheel of it")
        monkeypatch.setenv("TT_SHARED_DATABASE", url)
        asyncio.run(scenario())
    delivered = sorted(path.name for path in tmp_path.glob("*/outbox/*"))
    assert delivered == ["a.txt", "b.txt", "c.txt"]
