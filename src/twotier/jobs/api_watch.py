"""The part of the worker's private API that is about watchers.

GET  /watchers                     -> what each job looks at, how many items wait, how it went
POST /jobs/{name}/look             -> looks once and stores nothing: what would be new
GET  /jobs/{name}/waiting          -> items that no run has taken yet
POST /jobs/{name}/baseline         -> the next look is a first one
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from twotier.domain.job import Item, Job
from twotier.errors import NotFoundError, WatchError
from twotier.jobs.api import said, shown
from twotier.jobs.items import ItemStore
from twotier.jobs.scheduler import Scheduler
from twotier.jobs.store import RunStore
from twotier.watch.base import Look, Watcher
from twotier.watch.kinds import labels_of

ITEMS_SHOWN = 50
TEXT_CHARACTERS_SHOWN = 500
LOOK_SECONDS_MAX = 120.0


class Watching:
    """What can be asked of it."""

    def __init__(
        self,
        scheduler: Scheduler,
        watchers: Mapping[str, Watcher],
        *,
        items: ItemStore,
        runs: RunStore,
    ) -> None:
        self._scheduler = scheduler
        self._watchers = watchers
        self._items = items
        self._runs = runs

    def routes(self) -> list[BaseRoute]:
        """For `Api.app`."""
        return [
            Route("/watchers", self._list),
            Route("/jobs/{name}/look", self._look, methods=["POST"]),
            Route("/jobs/{name}/waiting", self._waiting),
            Route("/jobs/{name}/baseline", self._baseline, methods=["POST"]),
        ]

    async def _list(self, _: Request) -> JSONResponse:
        jobs = [job for job in self._scheduler.jobs.values() if job.name in self._watchers]
        return said({"watchers": [await self._about(job) for job in jobs]})

    async def _about(self, job: Job) -> dict[str, Any]:
        watcher, settings = self._watchers[job.name], job.watch or {}
        last = await self._runs.latest(job=job.name, limit=1)
        return {
            "job": job.name,
            "kind": settings.get("kind"),
            "place": watcher.place,
            "labels": sorted(labels_of(settings)),
            "enabled": job.enabled,
            "begun": await self._items.cursor(job.name, watcher.place) is not None,
            "waiting": await self._items.waiting_count(job.name),
            "last_run": shown(last[0]) if last else None,
        }

    async def _look(self, request: Request) -> JSONResponse:
        job, watcher = self._found(request)
        cursor = await self._items.cursor(job.name, watcher.place)
        try:
            async with asyncio.timeout(min(job.deadline_seconds, LOOK_SECONDS_MAX)):
                look: Look = await watcher.look(cursor)
        except TimeoutError as exc:
            raise WatchError(f"{job.name} did not get an answer in time; try again") from exc
        new = await self._items.unknown(job.name, look)
        return said(
            {
                "job": job.name,
                "first": cursor is None,
                "new": len(new),
                "items": [item_shown(item) for item in new[:ITEMS_SHOWN]],
                "unreadable": [bad.because for bad in look.unreadable[:ITEMS_SHOWN]],
            }
        )

    async def _waiting(self, request: Request) -> JSONResponse:
        job, _ = self._found(request)
        waiting = await self._items.waiting(job.name, limit=ITEMS_SHOWN)
        count = await self._items.waiting_count(job.name)
        return said(
            {"job": job.name, "waiting": count, "items": [item_shown(one) for one in waiting]}
        )

    async def _baseline(self, request: Request) -> JSONResponse:
        job, _ = self._found(request)
        await self._items.forget_cursor(job.name)
        return said({"job": job.name})

    def _found(self, request: Request) -> tuple[Job, Watcher]:
        """The job of the path, and its watcher. Raises `NotFoundError`."""
        job = self._scheduler.job(request.path_params["name"])
        if job.name not in self._watchers:
            known = ", ".join(self._watchers) or "none"
            raise NotFoundError(f"the job {job.name} watches nothing; those that do: {known}")
        return job, self._watchers[job.name]


def item_shown(item: Item) -> dict[str, Any]:
    """An item as JSON, its text not too long."""
    return {
        "title": item.title,
        "text": item.text[:TEXT_CHARACTERS_SHOWN],
        "source": item.source,
        "author": item.author,
        "at": item.at,
        "link": item.link,
        "bytes_cut": item.bytes_cut,
    }
