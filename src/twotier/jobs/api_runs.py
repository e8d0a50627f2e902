"""What a run has done, step by step, and how another goes on from one of them.

GET  /runs/{id}/steps          &texts=1: also what models and tools said
POST /runs/{id}/fork?step=N    a new run that takes over the steps before number N
POST /runs/{id}/resume         a run that was interrupted goes on
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from twotier.agent.guard import grown
from twotier.domain.label import NO_LABELS, Label, Labels
from twotier.jobs.api import number, said
from twotier.jobs.engine import Engine, Step
from twotier.jobs.scheduler import Scheduler
from twotier.jobs.step_shown import told
from twotier.watch.kinds import labels_of

STEPS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Steppings:
    """The routes of runs that are about their steps."""

    scheduler: Scheduler
    engine: Engine

    def routes(self) -> list[BaseRoute]:
        """For the worker's API."""
        return [
            Route("/runs/{id}/steps", self._steps),
            Route("/runs/{id}/fork", self._fork, methods=["POST"]),
            Route("/runs/{id}/resume", self._resume, methods=["POST"]),
        ]

    async def _steps(self, request: Request) -> JSONResponse:
        run = await self.scheduler.ended(request.path_params["id"], within_seconds=0)
        texts = bool(request.query_params.get("texts"))
        job = self.scheduler.jobs.get(run.job)
        watch = job.watch if job is not None else None
        taint = grown(NO_LABELS, labels_of(watch)) if watch is not None else NO_LABELS
        done = await self.engine.steps(run.id)
        return said({"steps": list(shown(done, taint, texts=texts))})

    async def _fork(self, request: Request) -> JSONResponse:
        step = int(number(request, "step", default=0, most=STEPS_MAX))
        run = await self.scheduler.fork(request.path_params["id"], step=step)
        return said({"run": run.id}, status=202)

    async def _resume(self, request: Request) -> JSONResponse:
        run = await self.scheduler.take_up(request.path_params["id"])
        return said({"run": run.id}, status=202)


def shown(steps: Iterable[Step], taint: Labels, *, texts: bool = False) -> Iterator[dict[str, Any]]:
    """Steps as JSON: name, times, and of a model call what that took. `taint` is what a run holds
    when it begins; each step tells what it holds after it, which only grows.
    """
    for step in steps:
        took = None
        if step.started_at is not None and step.ended_at is not None:
            took = round(step.ended_at - step.started_at, 3)
        facts = told(step.name, step.output, texts=texts)
        taint = grown(taint, frozenset(one for one in Label if one in facts.get("labels", ())))
        yield {
            "number": step.number,
            "name": step.name,
            "seconds": took,
            "started_at": at(step.started_at),
            "ended_at": at(step.ended_at),
            "taint": sorted(label.value for label in taint),
        } | facts


def at(seconds: float | None) -> str | None:
    """An instant in ISO form."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
