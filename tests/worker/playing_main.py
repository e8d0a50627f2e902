"""Main as the worker sees it: a real server on a Unix socket, with a script for its answers."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests import warm
from tests.stores import laid
from twotier.config.paths import Paths

Script = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]

# A wait's, on a machine that is busy with something else; `make soak` steps aside for everything.
SECONDS_MAX = 1_200.0 if os.environ.get("SOAK") else 60.0
THREE = json.dumps(["one", "two", "three"])


def completion(text: str, *, cost_usd: str = "0.000000", finish: str = "stop") -> web.Response:
    """A finished chat completion as main gives it."""
    body = {
        "model": "local/toy",
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": finish}],
        "usage": {"total_tokens": 30},
    }
    headers = {
        "x-twotier-tier": "local",
        "x-twotier-model": "local/toy",
        "x-twotier-rule": "explicit",
        "x-twotier-cost-usd": cost_usd,
        "x-twotier-request": "req-1",
    }
    return web.json_response(body, headers=headers)


def refusal(status: int, message: str, **headers: str) -> web.Response:
    """An error as main gives it."""
    error = {"message": message, "type": "api_error", "param": None, "code": "tier_unavailable"}
    return web.json_response({"error": error}, status=status, headers=headers)


async def three_lines(_: web.Request, __: dict[str, Any]) -> web.StreamResponse:
    """The usual script."""
    return completion(THREE)


class PlayingMain:
    """Answers by `script` and remembers what it was asked."""

    def __init__(self, socket: Path, script: Script = three_lines) -> None:
        self.script = script
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.asked = asyncio.Event()
        self.over: list[str] = []  # runs whose batches nobody waits for any more
        self.limits: dict[str, int] = {}  # of jobs, as the file has them
        self.verdicts: list[dict[str, Any]] = []
        self.refuses = ""  # what the router says where nobody may be asked
        self.predicted = 0.0  # seconds for an answer of the frontier, 0 where nobody knows
        self.states: dict[str, dict[str, str]] = {}  # of tiers that are not ready
        self._socket = socket
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_get("/control/alive", self._alive)
        app.router.add_get("/control/status", self._status)
        app.router.add_post("/control/batches/release", self._release)
        app.router.add_post("/control/budgets/reload", self._reload)
        app.router.add_post("/control/verdicts", self._judged)
        app.router.add_post("/control/route", self._route)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self._socket)).start()

    async def close(self) -> None:
        """As when main dies: the socket closes, and every connection with it."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        self.headers.append({key.lower(): value for key, value in request.headers.items()})
        self.asked.set()
        return await self.script(request, body)

    async def _status(self, _: web.Request) -> web.StreamResponse:
        tiers = [
            {"name": "frontier", "local": False, "window_tokens": 200_000},
            {"name": "local", "local": True, "window_tokens": 8_192},
        ]
        ready = {"state": "ready", "because": ""}
        told = [tier | ready | self.states.get(str(tier["name"]), {}) for tier in tiers]
        return web.json_response({"tiers": told})

    async def _release(self, request: web.Request) -> web.StreamResponse:
        self.over.append((await request.json())["run"])
        return web.json_response({"cancelled": 0})

    async def _reload(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"jobs": self.limits})

    async def _judged(self, request: web.Request) -> web.StreamResponse:
        self.verdicts.append(await request.json())
        return web.json_response({"counted": True})

    async def _route(self, request: web.Request) -> web.StreamResponse:
        """A frontier at 5 USD a million tokens in and 25 out."""
        body = await request.json()
        microusd = 5 * len(body["prompt"]) + 25 * body.get("output_tokens_max", 0) + 300
        told = {
            "refusal": self.refuses,
            "refusal_code": "tier_unavailable" if self.refuses else "",
            "options": [] if self.refuses else [{"tier": "frontier"}],
            "worst_case_usd": f"{microusd / 1e6:.6f}",
            "predicted": {"frontier": self.predicted and {"seconds": self.predicted}},
        }
        return web.json_response(told)

    async def _alive(self, request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse()
        await reply.prepare(request)
        while True:
            await reply.write(b"alive\n")
            await asyncio.sleep(0.2)


@asynccontextmanager
async def playing_main(home: Path, script: Script = three_lines) -> AsyncIterator[PlayingMain]:
    """Main for the state folder of `home`."""
    paths = paths_of(home)
    paths.make()
    for path in (paths.work, paths.engine):
        laid(path)
    main = PlayingMain(paths.main_socket, script)
    await main.open()
    try:
        yield main
    finally:
        await main.close()


def paths_of(home: Path) -> Paths:
    """The state folder of a test's configuration."""
    return Paths(home / ".twotier")


class Worker:
    """A worker process and its private API."""

    def __init__(self, home: Path, process: asyncio.subprocess.Process | warm.Awaited) -> None:
        self.process = process
        self._socket = paths_of(home).worker_socket

    async def get(self, path: str, *, method: str = "GET") -> dict[str, Any]:
        """Ask the worker; its answer as JSON."""
        connector = aiohttp.UnixConnector(str(self._socket))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, f"http://worker{path}") as reply,
        ):
            found: dict[str, Any] = await reply.json()
            return found

    async def ready(self) -> None:
        """Wait until it answers."""
        async with asyncio.timeout(SECONDS_MAX):
            while self.process.returncode is None:
                try:
                    await self.get("/healthz")
                except (aiohttp.ClientError, OSError):
                    await asyncio.sleep(0.02)
                else:
                    return
        said = (await self.process.communicate())[1].decode()
        raise AssertionError(f"the worker ended with {self.process.returncode}: {said}")

    async def run_ended(self, state: str, *, seconds: float = SECONDS_MAX) -> dict[str, Any]:
        """Wait for a run that ended in this state."""
        async with asyncio.timeout(seconds):
            while True:
                for run in (await self.get("/runs?limit=1000"))["runs"]:
                    if run["state"] == state:
                        found: dict[str, Any] = run
                        return found
                await asyncio.sleep(0.05)


async def start(home: Path) -> warm.Awaited:
    """Start a worker process on the configuration of `home`."""
    err = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it was read
    words = ("--config", str(home / "twotier.toml"))
    process = await asyncio.to_thread(
        warm.begin, words, env=os.environ, cwd=Path.cwd(), out=err, err=err, module="twotier.worker"
    )
    return warm.Awaited(process, err)


async def cold(home: Path) -> asyncio.subprocess.Process:
    """The same, from nothing."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "twotier.worker", "--config", str(home / "twotier.toml")),
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def worker(home: Path) -> AsyncIterator[Worker]:
    """A worker that answers; it is gone afterwards, whatever happened."""
    process = await start(home)
    try:
        found = Worker(home, process)
        await found.ready()
        yield found
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


INBOX_JOB = """
[[jobs]]
name = "inbox"
every = "{every}"
watch = {{ kind = "files", path = "inbox", settle_seconds = 0 }}
tier = "local-only"
prompt = "Summarise in three lines."
answer_lines = 3
deadline = "60s"
deliver = "{deliver}"
"""


def inbox_home(
    folder: Path, *, every: str = "1s", deliver: str = "file:outbox/{stem}.summary.txt"
) -> Path:
    """A folder with a configuration whose one job watches `inbox/`."""
    (folder / "inbox").mkdir(parents=True)
    config = INBOX_JOB.format(every=every, deliver=deliver)
    (folder / "twotier.toml").write_text(config, encoding="utf-8")
    return folder
