"""The commands about one run, against a real worker: what it did, going on, doing it again."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.worker.playing_main import THREE, completion, inbox_home, playing_main, worker
from twotier.cli.job_orders import ordered
from twotier.cli.runs import one
from twotier.errors import TwotierError

pytestmark = pytest.mark.slow


def test_a_run_is_cancelled_goes_on_and_is_forked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No finished step is done again by going on, and a fork does only those it was asked for."""
    asked = Counter[str]()
    held, told = asyncio.Event(), asyncio.Event()

    async def script(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        name = "beta" if "beta" in str(body["messages"]) else "alpha"
        asked[name] += 1
        if name == "beta" and not told.is_set():
            held.set()
            await told.wait()
        return completion(THREE, cost_usd="0.010000")

    async def scenario() -> None:
        home = inbox_home(tmp_path, every="30d")
        config = home / "twotier.toml"
        for name in ("alpha", "beta"):
            (home / "inbox" / f"{name}.txt").write_text(name, encoding="utf-8")

        async def cli(verb: str, run: str, step: int | None = None) -> str:
            await asyncio.to_thread(ordered, config, run, verb=verb, as_json=False, step=step)
            return capsys.readouterr().out

        async with playing_main(home, script), worker(home) as child:
            run = str((await child.get("/jobs/inbox/run", method="POST"))["run"])
            async with asyncio.timeout(60):
                await held.wait()
            assert "is cancelled" in await cli("cancel", run)
            await child.run_ended("interrupted")
            told.set()
            assert "goes on" in await cli("resume", run)
            done = await child.run_ended("done")
            assert (done["id"], done["items"], asked["alpha"]) == (run, 2, 1)
            with pytest.raises(TwotierError, match="only an interrupted one"):
                await cli("resume", run)
            await asyncio.to_thread(one, config, run, as_json=False)
            shown = capsys.readouterr().out
            names = ["begin", *["model", "store", "deliver"] * 2]
            lines = [line.split() for line in shown.splitlines()]
            steps = [line for line in lines if len(line) > 1 and line[0].isdigit()]
            assert [line[1] for line in steps] == names
            assert steps[1][3:] == ["local", "30", "$0.0100"]
            before = asked.copy()
            last_model = int(steps[4][0])
            said = await cli("fork", run, last_model)
            fork = said.split()[-1]
            over = await child.get(f"/runs/{fork}?wait_seconds=60")
            assert (over["state"], over["trigger"]) == ("done", f"fork:{last_model}:{run}")
            assert (asked - before) == Counter(beta=1)

    asyncio.run(scenario())
