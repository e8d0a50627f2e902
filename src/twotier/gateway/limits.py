"""Takes the limits of the configuration anew: what the worker calls before it takes new jobs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class LimitControl:
    """`renew` reads them, and returns what each job that has a limit of its own may cost a day, in
    micro-dollars.
    """

    renew: Callable[[], Awaitable[Mapping[str, int]]]

    async def __call__(self, _: HttpRequest) -> Response:
        """From the answer on they hold. Nothing has changed where the file cannot be read."""
        jobs = dict(await self.renew())
        return JSONResponse({"schema_version": SCHEMA_VERSION, "jobs": jobs})
