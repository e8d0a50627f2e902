"""The owner's word on a run's answers, which counts more than any check.

POST /runs/{id}/mark  {"good": bool}  -> {"marked": [{"part", "tier"}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from twotier.domain.verdict import Verdict
from twotier.errors import RequestError
from twotier.jobs.api import said
from twotier.jobs.results import ResultStore
from twotier.jobs.scheduler import Scheduler
from twotier.jobs.verdicts import marked, part_name

VERDICTS = "/control/verdicts"


class Main(Protocol):
    """Whoever gives main an order."""

    async def order(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Its answer."""
        ...


class Mark(BaseModel):
    """What the owner says."""

    model_config = ConfigDict(extra="forbid", strict=True)

    good: bool


@dataclass(frozen=True, slots=True)
class Marking:
    """The route."""

    scheduler: Scheduler
    results: ResultStore
    client: Main

    def routes(self) -> list[BaseRoute]:
        """For the worker's API."""
        return [Route("/runs/{id}/mark", self._mark, methods=["POST"])]

    async def _mark(self, request: Request) -> JSONResponse:
        try:
            mark = Mark.model_validate_json(await request.body())
        except ValidationError as exc:
            raise RequestError("a mark is {'good': true} or {'good': false}") from exc
        run = await self.scheduler.ended(request.path_params["id"], within_seconds=0)
        answers = await self.results.of_run(run.id)
        if not answers:
            raise RequestError(f"{run.id} has no answer that could be marked")
        job, done = self.scheduler.jobs_by_name(run.job), []
        for answer in answers:
            part, tier = part_name(job, answer["item"]), answer["tier"]
            verdict = marked(run.job, run.id, part=part, tier=tier, good=mark.good)
            await self.client.order(VERDICTS, told(verdict))
            done.append({"part": answer["title"] or part, "tier": tier})
        return said({"run": run.id, "good": mark.good, "marked": done})


def told(verdict: Verdict) -> dict[str, Any]:
    """A verdict as main reads it."""
    return dict(msgspec.to_builtins(verdict))
