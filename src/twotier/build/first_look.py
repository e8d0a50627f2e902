"""The first look of a job that is not there yet: whether its watcher can look at all.

POST /look  {"name": NAME, "text": TOML of its own file}  -> {"could_not_look": "..."}

Nothing is stored. A look that costs money is not tried.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from twotier.config import secrets
from twotier.config.load import Loaded
from twotier.config.work import JobConfig
from twotier.domain.label import Label
from twotier.errors import NOT_READABLE, ConfigError, RequestError, WatchError
from twotier.jobs.api import said
from twotier.watch.base import Around
from twotier.watch.kinds import kind_of, make

LOOK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class FirstLook:
    """The route. `around` is what a watcher has of the configuration as it is now."""

    loaded: Callable[[], Loaded]
    around: Callable[[Loaded, secrets.Named], Around]

    def routes(self) -> list[BaseRoute]:
        """For the worker's API."""
        return [Route("/look", self._look, methods=["POST"])]

    async def _look(self, request: Request) -> JSONResponse:
        try:
            body = await request.json()
            table = {"name": body["name"], **tomllib.loads(body["text"])}
            job = JobConfig.model_validate(table)
        # pydantic's and TOML's are ValueErrors
        except (*NOT_READABLE, KeyError, TypeError) as exc:
            raise RequestError("send the name and the text of a job that is right") from exc
        loaded = self.loaded()
        named = secrets.Named([job], home=loaded.home)
        return said({"could_not_look": await could_not_look(job, self.around(loaded, named))})


async def could_not_look(job: JobConfig, around: Around) -> str:
    """Why a first look failed; empty if it did not, or there is nothing to look at."""
    if job.watch is None:
        return ""
    settings = job.watch.model_dump(mode="json", exclude={"every"})
    if Label.COSTS in kind_of(settings).labels:
        return ""
    try:
        await look(settings, around)
    except WatchError as exc:
        return exc.message
    except TimeoutError:
        return f"no answer within {LOOK_SECONDS:.0f} s"
    return ""


async def look(settings: Mapping[str, Any], around: Around) -> None:
    """Once, from the beginning."""
    async with asyncio.timeout(LOOK_SECONDS):
        await make(settings, around).look(None)


def secret_of(named: secrets.Named, place: str) -> str:
    """A secret for a watcher: without it, it cannot look."""
    try:
        return named.get(place)
    except ConfigError as exc:
        raise WatchError(exc.message) from exc


def secrets_of(named: secrets.Named) -> Callable[[str], str]:
    """The same, for the secrets that some jobs name."""
    return partial(secret_of, named)
