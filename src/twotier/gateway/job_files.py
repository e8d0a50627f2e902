"""The files of jobs, for pages: templates, drafts, and what is written of them.

    GET  /control/templates                  what each asks
    POST /control/jobs/drafts                {"template", "name", "answers"} for a new job, or
                                             {"job", "text", "sha256"} for another text -> a draft
    GET  /control/jobs/drafts/{id}           with all that is wrong with it, by answer
    POST /control/jobs/drafts/{id}/write     into its file, and to the worker
    GET  /control/jobs/{name}/text           as it lies there, without secrets

Only on the private socket. `build.job_desk` knows files; here is what is said of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from twotier.errors import RequestError

SCHEMA_VERSION = 1


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new job of a `template`, or another `text` for a `job` whose present one is `sha256`."""

    template: str = ""
    name: str = ""
    answers: dict[str, str] = {}
    job: str = ""
    text: str = ""
    sha256: str = ""


class Desk(Protocol):
    """Who knows the files. Drafts are dataclasses of plain values."""

    async def templates(self) -> list[dict[str, Any]]:
        """What can be made."""
        ...

    async def text(self, job: str) -> dict[str, Any]:
        """What lies there."""
        ...

    def draft(self, draft_id: str) -> Any:
        """One that waits."""
        ...

    async def make(self, template: str, answers: Mapping[str, str], *, name: str) -> Any:
        """A draft of a new job."""
        ...

    async def change(self, job: str, text: str, *, present: str) -> Any:
        """A draft of another text."""
        ...

    async def write(self, draft_id: str) -> dict[str, Any]:
        """Into its file."""
        ...


@dataclass(frozen=True, slots=True)
class JobFiles:
    """The routes."""

    desk: Desk

    async def templates(self, _: Request) -> Response:
        """All of them."""
        return said({"templates": await self.desk.templates()})

    async def text(self, request: Request) -> Response:
        """Of one job."""
        return said(await self.desk.text(request.path_params["name"]))

    async def make(self, request: Request) -> Response:
        """A draft of either kind."""
        try:
            wanted = msgspec.json.decode(await request.body(), type=Wanted)
        except msgspec.MsgspecError as exc:
            raise RequestError(f"this is no draft of a job: {exc}") from exc
        if wanted.job:
            draft = await self.desk.change(wanted.job, wanted.text, present=wanted.sha256)
        else:
            draft = await self.desk.make(wanted.template, wanted.answers, name=wanted.name)
        return said({"draft": asdict(draft)})

    async def show(self, request: Request) -> Response:
        """A draft that waits."""
        return said({"draft": asdict(self.desk.draft(request.path_params["id"]))})

    async def write(self, request: Request) -> Response:
        """A draft becomes a file."""
        return said(await self.desk.write(request.path_params["id"]))


def said(body: Mapping[str, Any]) -> Response:
    """A document."""
    return JSONResponse({"schema_version": SCHEMA_VERSION, **body})
