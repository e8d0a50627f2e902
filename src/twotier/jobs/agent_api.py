"""What can be asked of a run's agent: its calls of tools as the audit has them, and its words.

GET /runs/{id}/calls
GET /runs/{id}/transcript
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from twotier.jobs.audit import AuditStore
from twotier.jobs.transcripts import TranscriptStore

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class AgentApi:
    """The routes."""

    audit: AuditStore
    transcripts: TranscriptStore

    def routes(self) -> list[Route]:
        """To be put beside those of the worker's other parts."""
        return [
            Route("/runs/{id}/calls", self.calls),
            Route("/runs/{id}/transcript", self.transcript),
        ]

    async def calls(self, request: Request) -> JSONResponse:
        """The lines of the audit; none for a run without tools."""
        lines = await self.audit.of_run(request.path_params["id"])
        return JSONResponse({"schema_version": SCHEMA_VERSION, "calls": lines})

    async def transcript(self, request: Request) -> JSONResponse:
        """The messages of its turns, while they are kept."""
        turns = await self.transcripts.of_run(request.path_params["id"])
        return JSONResponse({"schema_version": SCHEMA_VERSION, "turns": turns})
