"""What can be seen of the servers of this machine over time: how full memory was, what they say.

On the private socket only. A log is whatever a server wrote: it is handed on as text, never read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from twotier.domain.clock import Clock
from twotier.errors import NotFoundError, RequestError
from twotier.supervisor import logs
from twotier.supervisor.memory_course import MemoryCourse, Sample, thinned

SCHEMA_VERSION = 1
HOURS_USUAL = 6.0
HOURS_MAX = 24.0 * 7
SAMPLES_MAX = 400
LINES_USUAL = 100
LINES_MAX = 500


@dataclass(frozen=True, slots=True)
class EngineView:
    """The paths. `logs` are the files of those that we keep, by tier."""

    course: MemoryCourse
    logs: Mapping[str, Path]
    clock: Clock

    async def memory(self, request: HttpRequest) -> Response:
        """The last `hours` of the machine's memory in at most so many `points`, and what each
        server held.
        """
        hours = number(request, "hours", usual=HOURS_USUAL, most=HOURS_MAX)
        since_ms = int((self.clock.now().timestamp() - hours * 3600) * 1000)
        points = int(number(request, "points", usual=SAMPLES_MAX, most=SAMPLES_MAX))
        samples = [told(one) for one in thinned(self.course.since(since_ms), points)]
        return JSONResponse({"schema_version": SCHEMA_VERSION, "hours": hours, "samples": samples})

    async def log(self, request: HttpRequest) -> Response:
        """The last lines of a kept server's own output."""
        tier = request.path_params["tier"]
        if tier not in self.logs:
            known = ", ".join(self.logs) or "none"
            raise NotFoundError(
                f"twotier has no log of {tier!r}; it has those of: {known}. A server that is not"
                " ours has its log with its owner: `twotier engine why` says where"
            )
        count = int(number(request, "lines", usual=LINES_USUAL, most=LINES_MAX))
        look = partial(logs.last_lines, self.logs[tier], lines_max=count)
        lines = await asyncio.to_thread(look)
        document = {"schema_version": SCHEMA_VERSION, "tier": tier, "lines": list(lines)}
        return JSONResponse(document | {"path": str(self.logs[tier])})


def told(sample: Sample) -> dict[str, Any]:
    """One look as plain values."""
    at = datetime.fromtimestamp(sample.at_ms / 1000, UTC).isoformat(timespec="seconds")
    plain = asdict(sample)
    del plain["at_ms"]
    return {"at": at, **plain}


def number(request: HttpRequest, name: str, *, usual: float, most: float) -> float:
    """A number above 0 of the query, at most `most`. Raises `RequestError`."""
    text = request.query_params.get(name, "")
    if not text:
        return usual
    try:
        value = float(text)
    except ValueError as exc:
        raise RequestError(f"{name}={text!r} is no number") from exc
    if not 0 < value <= most:
        raise RequestError(f"{name} must be above 0 and at most {most:g}")
    return value
