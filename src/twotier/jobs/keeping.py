"""The part of the worker's private API that is about what is kept of jobs.

    POST /jobs/{name}/forget           -> {"rows": {table: count}}
    POST /chats/{id}/forget            -> the same of one conversation

The job need not be in the configuration any more; `chat` is the name of all conversations.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from twotier.jobs.api import said
from twotier.jobs.retention import Retention


class Keeping:
    """What can be asked of it."""

    def __init__(self, retention: Retention) -> None:
        self._retention = retention

    def routes(self) -> list[BaseRoute]:
        """For `Api.app`."""
        return [
            Route("/jobs/{name}/forget", self._forget, methods=["POST"]),
            Route("/chats/{id}/forget", self._forget_chat, methods=["POST"]),
        ]

    async def _forget(self, request: Request) -> JSONResponse:
        return said({"rows": await self._retention.forget(request.path_params["name"])})

    async def _forget_chat(self, request: Request) -> JSONResponse:
        return said({"rows": await self._retention.forget_chat(request.path_params["id"])})
