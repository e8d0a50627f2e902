"""A main and a worker that answer from a list, on real Unix sockets; and the real `twotier`.

They speak HTTP and keep every request they get, so that a test sees both ends of a command.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests import warm

SECONDS_MAX = 60.0
CANARY = "canary-key-5d1c-not-to-be-seen"

STATUS: dict[str, Any] = {
    "schema_version": 1,
    "pid": 4242,
    "version": "0.1.0",
    "started_at": "2026-02-03T07:12:00+00:00",
    "address": "http://127.0.0.1:8484",
    "tiers": [
        {
            "name": "local",
            "ref": "llama-local/smollm2-135m-instruct",
            "state": "ready",
            "because": "",
            "local": True,
            "address": "http://127.0.0.1:40001",
            "pid": 4243,
        },
        {
            "name": "frontier",
            "ref": "anthropic/claude-opus-4-6",
            "state": "no-key",
            "because": "it waits for its key: export ANTHROPIC_API_KEY=...",
            "local": False,
            "address": "",
            "pid": None,
        },
    ],
    "worker": {"state": "ready", "pid": 4244, "because": ""},
    "requests": {"in_flight": 1, "since_start": 12},
    "spend_today_usd": "1.234500",
    "budgets": [
        {
            "name": "day",
            "period": "day",
            "spent_usd": "1.234500",
            "reserved_usd": "0.100000",
            "alert_usd": "15.000000",
            "limit_usd": None,
            "resets_at": "2026-02-04T00:00:00+00:00",
        }
    ],
}
RUN: dict[str, Any] = {
    "id": "r1",
    "job": "inbox",
    "slot": "2026-02-03T07:12:00+00:00",
    "state": "done",
    "trigger": "hand",
    "late": False,
    "tries": 1,
    "started_at": "2026-02-03T07:12:01+00:00",
    "ended_at": "2026-02-03T07:12:03+00:00",
    "items": 1,
    "model_calls": 1,
    "tokens": 90,
    "cost_microusd": 0,
    "cost_usd": "0.000000",
    "tier": "local",
    "model": "llama-local/smollm2-135m-instruct",
    "because": "",
    "result": "1 delivered",
}
ANSWERED = {
    "title": "note.txt",
    "text": "one\ntwo\nthree",
    "delivery": "sent",
    "target": "file:outbox/{stem}.txt",
    "path": "outbox/note.txt",
    "error": "",
}
JOB: dict[str, Any] = {
    "name": "inbox",
    "trigger": "every 10s",
    "watch_kind": "files",
    "tier": "local-only",
    "enabled": True,
    "next": ["2026-02-03T07:12:10+00:00"],
    "last_run": RUN,
}
JOB_SETTINGS = {
    "prompt": "Summarise",
    "model": "auto",
    "deliver": "log",
    "watch": None,
    "kind": "",
    "each": True,
    "answer_lines": 3,
    "output_tokens_max": 400,
    "deadline_seconds": 600.0,
    "missed": "once",
}
SUMS = {
    "requests": 2,
    "input_tokens": 100,
    "cache_read_tokens": 20,
    "cache_write_tokens": 5,
    "output_tokens": 30,
    "cost_usd": "0.001375",
    "reserved_usd": "0.000000",
    "estimated": 1,
    "unknown": 0,
}
SPEND = {"schema_version": 1, "rows": [{"key": "frontier", **SUMS}], "total": SUMS}
ROUTED: dict[str, Any] = {
    "schema_version": 1,
    "options": [{"tier": "local", "model": ""}, {"tier": "frontier", "model": ""}],
    "rule": "polling",
    "because": [{"rule": "polling", "effect": "chose", "text": "polling costs nothing locally"}],
    "refusal": "",
    "refusal_code": "",
    "task": {"prompt_tokens": 12, "kind": "polling"},
    "worst_case_usd": "0.012000",
}
REFUSED = {
    **ROUTED,
    "options": [],
    "rule": "budget",
    "refusal": "the limit of the day is reached",
    "refusal_code": "budget_reached",
}
SAID = {
    "x-twotier-tier": "local",
    "x-twotier-model": "llama-local/smollm2-135m-instruct",
    "x-twotier-rule": "polling",
    "x-twotier-cost-usd": "0.010000",
    "x-twotier-cost": "reserved",
}
COMPLETION = {
    "id": "c1",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"content": "Hallo Wörld"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


@dataclass
class StandIn:
    """What was asked, and what is answered: `answers` replaces a path's usual document."""

    config: Path
    answers: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    stream: list[str] = field(default_factory=list)
    gap: asyncio.Event | None = None
    streaming: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def chunk(self, text: str, finish: str | None = None) -> str:
        """One streamed event with a piece of text."""
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
        return "data: " + json.dumps({"id": "c1", "choices": [choice]}) + "\n\n"

    def usual(self, method: str, path: str) -> dict[str, Any] | None:
        """The document of a path."""
        about = {**RUN, "item_list": [], "answers": [ANSWERED]}
        return {
            "GET /control/status": STATUS,
            "POST /control/route": ROUTED,
            "GET /control/spend": SPEND,
            "POST /control/spend/confirm": {"schema_version": 1, "was_held": "it was gone"},
            "POST /control/stop": {"schema_version": 1, "stopping": True},
            "GET /control/keys": {"schema_version": 1, "used": {"phone": RUN["ended_at"]}},
            "POST /control/keys/reload": {"schema_version": 1, "names": ["phone"]},
            "GET /v1/models": {"object": "list", "data": [{"id": "auto", "owned_by": "twotier"}]},
            "POST /v1/chat/completions": COMPLETION,
            "GET /jobs": {"schema_version": 1, "jobs": [JOB]},
            "GET /jobs/inbox": {"schema_version": 1, **JOB, **JOB_SETTINGS, "runs": [RUN]},
            "POST /jobs/inbox/run": {"schema_version": 1, "run": "r1"},
            "GET /runs": {"schema_version": 1, "runs": [RUN]},
            "GET /runs/r1": {"schema_version": 1, **about},
            "GET /runs/r1/steps": {"schema_version": 1, "steps": []},
            "GET /runs/r1/calls": {"schema_version": 1, "calls": []},
        }.get(f"{method} {path}")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        body = await request.json() if request.can_read_body else {}
        self.asked.append((request.method, request.path, dict(request.query), body))
        key = f"{request.method} {request.path}"
        if key in self.answers:
            status, document = self.answers[key]
            return web.json_response(document, status=status)
        if body.get("stream"):
            return await self.streamed(request)
        found = self.usual(request.method, request.path)
        if found is None:
            error = {"message": f"there is no {request.path}", "code": "not_found"}
            return web.json_response({"error": error}, status=404)
        return web.json_response(found, headers={**SAID, "x-twotier-cost": "settled"})

    async def streamed(self, request: web.Request) -> web.StreamResponse:
        """The prepared events; with a `gap`, the last one only once it is set."""
        response = web.StreamResponse(headers={"content-type": "text/event-stream", **SAID})
        await response.prepare(request)
        *first, last = self.stream
        try:
            for event in first:
                await response.write(event.encode())
            self.streaming.set()
            if self.gap is not None:
                await self.gap.wait()
            await response.write(last.encode())
        except (ConnectionError, asyncio.CancelledError):
            self.left.set()
            raise
        return response


@asynccontextmanager
async def standin(folder: Path) -> AsyncIterator[StandIn]:
    """Both processes on the sockets of a configuration in `folder`."""
    state = folder / ".twotier"
    state.mkdir(mode=0o700, exist_ok=True)
    config = folder / "twotier.toml"
    if not config.exists():
        config.write_text("")
    stand = StandIn(config)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stand.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        for name in ("main", "worker"):
            await web.UnixSite(runner, str(state / f"{name}.sock")).start()
        yield stand
    finally:
        await runner.cleanup()


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Its one JSON document."""
        return json.loads(self.out)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """A plain terminal, no key, no configuration of the person who runs the tests."""
    keep = {
        name: value
        for name, value in os.environ.items()
        if name in ("PATH", "LANG", "PYTHONPATH") or name.startswith("COVERAGE")
    }
    plain = {"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "400", "PYTHONWARNINGS": "error"}
    return {**keep, **plain, "HOME": home_of_nobody(), "TZ": "UTC", **(extra or {})}


@functools.cache
def home_of_nobody() -> str:
    """A home in which nothing lies: what the person who runs the tests has fetched, or another
    test, is in no list.
    """
    folder = tempfile.mkdtemp(prefix="tt-home-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


async def start(*words: str, env: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
    """Begin a real `twotier`."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "twotier.cli", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(env),
    )


async def twotier(*words: str, env: Mapping[str, str] | None = None) -> Done:
    """Run a real `twotier` to its end."""
    whole = environment(env)
    if warm.fits(words, whole):
        ran = functools.partial(warm.run, words, env=whole, cwd=Path.cwd(), seconds=SECONDS_MAX)
        return Done(*await asyncio.to_thread(ran))
    process = await start(*words, env=env)
    async with asyncio.timeout(SECONDS_MAX):
        out, err = await process.communicate()
    return Done(process.returncode or 0, out.decode(), err.decode())
