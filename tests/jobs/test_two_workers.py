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
from twotier.jobs.store import ON_THE_WAY

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
            async with asyncio.timeout(20):
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
