"""The worker's private API on its Unix socket, for main and the command line.

    GET  /healthz
    GET  /standing                     how each job stands that is switched on; main asks
    GET  /jobs, /jobs/{name}
    POST /jobs/{name}/run              -> {"run": id}
    GET  /strips?runs=48               the last runs of each job at a glance, the oldest first
    GET  /runs?job=NAME&state=STATE,STATE&limit=N    &fold=1: what says the same is one line
    GET  /looks?since=ISO&until=ISO    how often a look found nothing
    GET  /runs/{id}?wait_seconds=S     answers when the run is over, or the time has passed

Every body is JSON with `schema_version`; errors have OpenAI's shape. Where an answer is delivered
to is shown without the secrets of its URL.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from twotier.domain.job import Job, Run, RunState
from twotier.domain.money import MICROUSD_PER_USD
from twotier.domain.urls import shown_target
from twotier.errors import NotFoundError, RequestError, TwotierError
from twotier.jobs.folding import Fold
from twotier.jobs.items import ItemStore
from twotier.jobs.results import ResultStore
from twotier.jobs.schedule_words import schedule_text, spoken
from twotier.jobs.scheduler import Scheduler
from twotier.jobs.store import RunStore

SCHEMA_VERSION = 1
RUNS_MAX = 1_000
STRIP_RUNS, STRIP_RUNS_MAX, BAR_CHARACTERS_MAX = 48, 200, 160
WAIT_SECONDS_MAX = 600.0
CLOSE_SECONDS = 1


class Api:
    """What can be asked of the worker."""

    def __init__(
        self, scheduler: Scheduler, *, runs: RunStore, items: ItemStore, results: ResultStore
    ) -> None:
        self._scheduler = scheduler
        self._runs = runs
        self._items = items
        self._results = results

    def app(self, *more: BaseRoute) -> Starlette:
        """The ASGI application; `more` are the routes of other parts of the worker."""
        return Starlette(
            routes=[
                Route("/healthz", self._health),
                Route("/standing", self._standing),
                Route("/jobs", self._jobs),
                Route("/jobs/{name}", self._job),
                Route("/jobs/{name}/run", self._order, methods=["POST"]),
                Route("/strips", self._strips),
                Route("/runs", self._latest),
                Route("/looks", self._looks),
                Route("/runs/{id}", self._run),
                *more,
            ],
            exception_handlers={TwotierError: refuse, 404: no_such_path},  # type: ignore[dict-item]
        )

    async def _health(self, _: Request) -> JSONResponse:
        return said({"status": "ok", "pid": os.getpid(), "jobs": len(self._scheduler.jobs)})

    async def _standing(self, _: Request) -> JSONResponse:
        return said({"jobs": [asdict(one) for one in await self._scheduler.standings()]})

    async def _jobs(self, _: Request) -> JSONResponse:
        return said({"jobs": [await self._about(job) for job in self._scheduler.jobs.values()]})

    async def _job(self, request: Request) -> JSONResponse:
        job = self._scheduler.job(request.path_params["name"])
        settings = {
            "prompt": job.prompt,
            "model": job.model,
            "deliver": shown_target(job.deliver),
            "watch": dict(job.watch) if job.watch is not None else None,
            "each": job.each,
            "answer_lines": job.answer_lines,
            "output_tokens_max": job.output_tokens_max,
            "kind": job.kind,
            "deadline_seconds": job.deadline_seconds,
            "tools": list(job.terms.tools),
            "missed": job.missed,
            "overlap": job.overlap,
        }
        runs = await self._runs.latest(job=job.name, limit=10)
        return said(await self._about(job) | settings | {"runs": [shown(run) for run in runs]})

    async def _about(self, job: Job) -> dict[str, Any]:
        last = await self._runs.latest(job=job.name, limit=1)
        return {
            "name": job.name,
            "trigger": schedule_text(job),
            "schedule": spoken(job),
            "watch_kind": job.watch["kind"] if job.watch is not None else None,
            "tier": job.tier.value,
            "enabled": job.enabled,
            "paused": job.name in self._scheduler.paused,
            "next": [slot.isoformat() for slot in self._scheduler.upcoming(job)],
            "last_run": shown(last[0]) if last else None,
        }

    async def _order(self, request: Request) -> JSONResponse:
        run = await self._scheduler.order(request.path_params["name"])
        return said({"run": run.id}, status=202)

    async def _strips(self, request: Request) -> JSONResponse:
        count = int(number(request, "runs", default=STRIP_RUNS, most=STRIP_RUNS_MAX))
        jobs = []
        for name in self._scheduler.jobs:
            latest = await self._runs.latest(job=name, limit=count) if count else []
            jobs.append({"name": name, "runs": [bar(run) for run in reversed(latest)]})
        return said({"jobs": jobs})

    async def _latest(self, request: Request) -> JSONResponse:
        job = request.query_params.get("job", "")
        if job:
            self._scheduler.job(job)
        limit = int(number(request, "limit", default=20, most=RUNS_MAX))
        these = states(request)
        if request.query_params.get("fold"):
            lines = await self._runs.folded(job=job, states=these, limit=limit)
            return said({"runs": [line_shown(line) for line in lines]})
        runs = await self._runs.latest(job=job, states=these, limit=limit)
        return said({"runs": [shown(run) for run in runs]})

    async def _looks(self, request: Request) -> JSONResponse:
        found = await self._runs.looks(instant(request, "since"), instant(request, "until"))
        looks = [
            {"at": one.quarter.timestamp(), "job": one.job, "count": one.count} for one in found
        ]
        return said({"looks": looks})

    async def _run(self, request: Request) -> JSONResponse:
        wait_seconds = number(request, "wait_seconds", default=0, most=WAIT_SECONDS_MAX)
        run = await self._scheduler.ended(request.path_params["id"], within_seconds=wait_seconds)
        answers = [
            answer | {"target": shown_target(answer["target"])}
            for answer in await self._results.of_run(run.id)
        ]
        job = self._scheduler.jobs.get(run.job)
        asked = None if job is None else {"tier": job.tier.value, "model": job.model}
        parts = {"item_list": await self._items.of_run(run.id), "answers": answers, "asked": asked}
        return said(shown(run) | parts)


def shown(run: Run) -> dict[str, Any]:
    """A run as JSON. Money is an integer; the dollars beside it are text, for people."""
    return {
        "id": run.id,
        "job": run.job,
        "slot": run.slot.isoformat(),
        "state": run.state.value,
        "trigger": run.trigger,
        "late": run.late,
        "tries": run.tries,
        "started_at": run.started_at.isoformat() if run.started_at else None,
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "items": run.items,
        "model_calls": run.model_calls,
        "tokens": run.tokens,
        "cost_microusd": run.cost_microusd,
        "cost_usd": f"{run.cost_microusd / MICROUSD_PER_USD:.6f}",
        "tier": run.tier,
        "model": run.model,
        "because": run.because,
        "result": run.result,
    }


def bar(run: Run) -> dict[str, Any]:
    """A run as far as a bar tells of it; `seconds` is None while it has no end."""
    seconds = None
    if run.started_at is not None and run.ended_at is not None:
        seconds = round((run.ended_at - run.started_at).total_seconds(), 3)
    return {
        "id": run.id,
        "slot": run.slot.isoformat(),
        "state": run.state.value,
        "because": run.because[:BAR_CHARACTERS_MAX],
        "seconds": seconds,
        "tokens": run.tokens,
        "cost_microusd": run.cost_microusd,
    }


def line_shown(line: Fold) -> dict[str, Any]:
    """A run as JSON, with how many slots say the same, and since when."""
    return shown(line.run) | {"slots": line.slots, "since": line.since.isoformat()}


def states(request: Request) -> list[RunState]:
    """The states of the query, none for all: most rows of a busy job say that nothing was done."""
    names = [name for name in request.query_params.get("state", "").split(",") if name]
    try:
        return [RunState(name) for name in names]
    except ValueError as exc:
        raise RequestError(f"{exc}; there are: {', '.join(RunState)}") from exc


def number(request: Request, name: str, *, default: float, most: float) -> float:
    """A number of the query, between 0 and `most`."""
    try:
        value = float(request.query_params.get(name, default))
    except ValueError as exc:
        raise RequestError(f"{name} must be a number") from exc
    if not 0 <= value <= most:
        raise RequestError(f"{name} must be between 0 and {most:g}")
    return value


def instant(request: Request, name: str) -> datetime:
    """An instant of the query, in ISO form with its zone."""
    try:
        when = datetime.fromisoformat(request.query_params.get(name, ""))
    except ValueError as exc:
        raise RequestError(f"{name} must be an instant in ISO form") from exc
    if when.tzinfo is None:
        raise RequestError(f"{name} has no zone; write for example ...+00:00")
    return when


def said(body: dict[str, Any], *, status: int = 200) -> JSONResponse:
    """A JSON answer with its version."""
    return JSONResponse({"schema_version": SCHEMA_VERSION} | body, status_code=status)


async def refuse(_: Request, error: TwotierError) -> JSONResponse:
    """An error in OpenAI's shape."""
    detail = {"message": error.message, "type": error.kind, "param": None, "code": error.code}
    return said({"error": detail}, status=error.status)


async def no_such_path(request: Request, _: Exception) -> JSONResponse:
    """A path this API does not have."""
    return await refuse(request, NotFoundError(f"there is no {request.url.path} here"))


class Server(uvicorn.Server):
    """uvicorn without its signal handling: the worker has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


def server(app: Starlette) -> Server:
    """A quiet server for a private socket."""
    return Server(
        uvicorn.Config(
            app,
            loop="none",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=CLOSE_SECONDS,
        )
    )


def listen(path: Path) -> socket.socket:
    """A Unix socket that only its owner can open. The caller has the lock: an old one is dead."""
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # the mode must be right from the start, not a moment later
    try:
        sock.bind(str(path))
    finally:
        os.umask(before)
    sock.listen(64)
    return sock
