"""What jobs cost: to begin a run, runs a second, a worker that has nothing to do, a look that finds
nothing, and the words an agent's turn begins with. The worker is real; main is played, so that no
model and no money is in the figures.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from aiohttp import web

from bench.figures import Figure, spread
from bench.processes import cpu_seconds, rss_megabytes
from tests.agent.stage import message, stage
from tests.worker.playing_main import THREE, PlayingMain, Worker, completion, playing_main, worker
from twotier.agent.turn import Turn
from twotier.build.tools import toolbox, web_of
from twotier.config.load import load
from twotier.domain.tier import TierPolicy

STARTS = 20
JOBS = 8  # that are worked on at the same time
RUNS = 160
POLLS = 10  # jobs that look each second
IDLE_SECONDS = 10.0
SETTLE_SECONDS = 3.0
BYTES_A_TOKEN = 4
MILLI = 1e3

TIERS = """
[tiers.local]
engine = "openai"
model = "toy"
base_url = "http://127.0.0.1:9/v1"
runs_at_once = 8
"""
# Its first answer is not good enough: five steps, which are begin, model, model, store, deliver.
JOB = """
[[jobs]]
name = "job{number}"
every = "30d"
tier = "local-only"
prompt = "Summarise in three lines."
answer_lines = 3
deliver = "log"
"""
POLL = """
[[jobs]]
name = "poll{number}"
every = "{every}"
watch = {{ kind = "files", path = "inbox", settle_seconds = 0 }}
tier = "local-only"
prompt = "Summarise."
deliver = "log"
"""
AGENT = """
[[jobs]]
name = "agent"
every = "30d"
tier = "local-only"
prompt = "Find out what is new."
deliver = "log"
tools = ["read_file", "list_files", "search_files", "write_file", "fetch"]
hosts = ["example.org"]
"""


def figures(folder: Path) -> Iterator[Figure]:
    """All of them; about a minute."""
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)  # a worker that is killed
    for part in (worked, polled, begun):
        place = folder / part.__name__
        place.mkdir()
        yield from asyncio.run(part(place))


async def worked(home: Path) -> list[Figure]:
    """One worker: idle, run by run, idle again, and as many runs as it can do."""
    jobs = "".join(JOB.format(number=number) for number in range(JOBS))
    config(home, TIERS + jobs + POLL.format(number="", every="30d"))
    async with AsyncExitStack() as stack:
        main = await stack.enter_async_context(playing_main(home, answer))
        child = await stack.enter_async_context(worker(home))
        fresh, _ = await idle(child)
        starts = [await start(child, main) for _ in range(STARTS + 1)][1:]
        megabytes, percent = await idle(child)
        before = cpu_seconds(child.process.pid)
        rate = await runs_a_second(child)
        each = (cpu_seconds(child.process.pid) - before) / RUNS * MILLI
    return [
        Figure("order to the run's first question", "<= 500 ms", f"{spread(starts)} ms"),
        Figure("runs of five steps, SQLite", ">= 40 /s", f"{rate:.0f} /s, {each:.0f} ms CPU each"),
        Figure(
            "worker idle after runs, memory",
            "<= 130 MB",
            f"{megabytes:.0f} MB; {fresh:.0f} before its first run",
        ),
        Figure("worker idle after runs, CPU", "<= 2 %", f"{percent:.2f} % of a core"),
    ]


async def polled(home: Path) -> list[Figure]:
    """Ten jobs that look into an empty folder each second, and find nothing."""
    polls = "".join(POLL.format(number=number, every="1s") for number in range(POLLS))
    config(home, TIERS + polls)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(playing_main(home, answer))
        child = await stack.enter_async_context(worker(home))
        _, percent = await idle(child)
    each = percent / 100 / POLLS * MILLI
    return [Figure("a look that finds nothing: CPU", "<= 5 ms", f"{each:.1f} ms")]


async def begun(home: Path) -> list[Figure]:
    """What an agent's first question holds, in bytes of JSON by four."""
    config(home, TIERS + AGENT)
    loaded = load(home / "twotier.toml")
    tools = toolbox(loaded, web_of(loaded))("agent")
    found = []
    for given in ([], tools):
        async with stage(home, message("nothing")) as played:
            turn = Turn("agent", "r1", "Find out what is new.", TierPolicy.LOCAL_ONLY)
            await played.play(turn, given)
            body = played.main.bodies[0]
        told = {key: body[key] for key in ("messages", "tools") if key in body}
        tokens = len(json.dumps(told)) / BYTES_A_TOKEN
        named = f"{len(given)} tools" if given else "no tools"
        found.append(Figure(f"an agent's first question, {named}", "", f"{tokens:.0f} tokens"))
    return found


def config(home: Path, text: str) -> None:
    """The configuration, and the folder that is looked at."""
    (home / "inbox").mkdir()
    (home / "twotier.toml").write_text(text, encoding="utf-8")


async def answer(_: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """The second one is good enough."""
    again = "Not good enough" in str(body["messages"])
    return completion(THREE if again else json.dumps(["one"]))


async def idle(child: Worker) -> tuple[float, float]:
    """Megabytes, and percent of a core, while nobody asks for anything."""
    await asyncio.sleep(SETTLE_SECONDS)
    pid = child.process.pid
    before, began = cpu_seconds(pid), time.monotonic()
    await asyncio.sleep(IDLE_SECONDS)
    used = cpu_seconds(pid) - before
    return rss_megabytes(pid), used / (time.monotonic() - began) * 100


async def start(child: Worker, main: PlayingMain) -> float:
    """Milliseconds from the order to the question that main hears."""
    main.asked.clear()
    began = time.perf_counter()
    told = await child.get("/jobs/job0/run", method="POST")
    await main.asked.wait()
    took = (time.perf_counter() - began) * MILLI
    await child.get(f"/runs/{told['run']}?wait_seconds=30")
    return took


async def runs_a_second(child: Worker) -> float:
    """From the first order to the last end, the orders beside them."""
    began = time.perf_counter()
    last = {}
    for number in range(RUNS):
        job = f"job{number % JOBS}"
        last[job] = (await child.get(f"/jobs/{job}/run", method="POST"))["run"]
    for run in last.values():
        over = await child.get(f"/runs/{run}?wait_seconds=60")
        if over["state"] != "done":
            raise RuntimeError(f"the run {run} is {over['state']}: {over['because']}")
    return RUNS / (time.perf_counter() - began)
