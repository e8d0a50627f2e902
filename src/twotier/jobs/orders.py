"""What the worker is told to do with jobs, as paths of its private API.

GET  /jobs/{name}/dry              what a run would ask; nothing is stored
POST /jobs/{name}/pause, resume    -> {"paused": ...}
POST /reload                       the jobs as the configuration has them now
POST /hooks/{name}                 a signed post, as main got it
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from twotier.jobs.api import said
from twotier.jobs.dry import DryRun
from twotier.jobs.hooks import Hooks
from twotier.jobs.scheduler import Scheduler

CANCELLED = "it was cancelled by hand"


@dataclass(frozen=True, slots=True)
class Orders:
    """The paths. `reload` takes the configuration anew, or raises and leaves everything."""

    scheduler: Scheduler
    dry: DryRun
    hooks: Hooks
    reload: Callable[[], Awaitable[None]]

    def routes(self) -> list[Route]:
        """For the API's table."""
        return [
            Route("/jobs/{name}/dry", self._dry),
            Route("/jobs/{name}/pause", self._pause, methods=["POST"]),
            Route("/jobs/{name}/resume", self._resume, methods=["POST"]),
            Route("/runs/{id}/cancel", self._cancel, methods=["POST"]),
            Route("/reload", self._reload, methods=["POST"]),
            Route("/hooks/{name}", self._posted, methods=["POST"]),
        ]

    async def _dry(self, request: Request) -> JSONResponse:
        return said(await self.dry.told(self.scheduler.job(request.path_params["name"])))

    async def _pause(self, request: Request) -> JSONResponse:
        await self.scheduler.pause(request.path_params["name"])
        return said({"paused": True})

    async def _resume(self, request: Request) -> JSONResponse:
        await self.scheduler.resume(request.path_params["name"])
        return said({"paused": False})

    async def _cancel(self, request: Request) -> JSONResponse:
        await self.scheduler.cancel(request.path_params["id"], CANCELLED)
        return said({"run": request.path_params["id"]})

    async def _reload(self, _: Request) -> JSONResponse:
        await self.reload()
        return said({"jobs": len(self.scheduler.jobs)})

    async def _posted(self, request: Request) -> JSONResponse:
        name, headers = request.path_params["name"], dict(request.headers)
        told = await self.hooks.take(name, await request.body(), headers=headers)
        return said(told, status=202)
