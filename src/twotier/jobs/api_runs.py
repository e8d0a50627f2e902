"""What a run has done, step by step, and how another goes on from one of them.

GET  /runs/{id}/steps
POST /runs/{id}/fork?step=N    a new run that takes over the steps before number N
POST /runs/{id}/resume         a run that was interrupted goes on
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from twotier.jobs.api import number, said
from twotier.jobs.engine import Engine, Step
from twotier.jobs.scheduler import Scheduler

STEPS_MAX = 10_000
TOLD = ("tier", "model", "tokens", "cost_microusd")


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
        return said({"steps": [shown(step) for step in await self.engine.steps(run.id)]})

    async def _fork(self, request: Request) -> JSONResponse:
        step = int(number(request, "step", default=0, most=STEPS_MAX))
        run = await self.scheduler.fork(request.path_params["id"], step=step)
        return said({"run": run.id}, status=202)

    async def _resume(self, request: Request) -> JSONResponse:
        run = await self.scheduler.take_up(request.path_params["id"])
        return said({"run": run.id}, status=202)


def shown(step: Step) -> dict[str, Any]:
    """A step as JSON: its name, its seconds, and of a model call what that took."""
    took = None
    if step.started_at is not None and step.ended_at is not None:
        took = round(step.ended_at - step.started_at, 3)
    output = step.output if isinstance(step.output, dict) else {}
    paid = output.get("answer", output)
    told = {key: paid[key] for key in TOLD if isinstance(paid, dict) and key in paid}
    if isinstance(paid, dict) and "tokens_in" in paid:  # an agent's call of a model
        told["tokens"] = paid["tokens_in"] + paid["tokens_out"]
    return {"number": step.number, "name": step.name, "seconds": took} | told
