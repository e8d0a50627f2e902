"""The dashboard, put together: its peers, its door, and how the command line asks for a code."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from hashlib import sha256
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from twotier.build.main_peer import MainPeer
from twotier.build.worker_peer import WorkerPeer
from twotier.config.load import Loaded
from twotier.dashboard.app import Dashboard
from twotier.dashboard.door import Door
from twotier.dashboard.sessions import CODE_SECONDS, Sessions
from twotier.gateway.asgi import App
from twotier.gateway.status import Status

SCHEMA_VERSION = 1
ID_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class Codes:
    """`POST /control/dashboard`, on the private socket alone: a code that opens one browser."""

    sessions: Sessions
    url: str

    async def made(self, _: Request) -> Response:
        """The page, the code, and the link with both."""
        page, code = f"{self.url.rstrip('/')}/ui/", self.sessions.new_code()
        told = {"page": page, "code": code, "link": f"{page}login#{code}", "seconds": CODE_SECONDS}
        return JSONResponse({"schema_version": SCHEMA_VERSION, **told})


def sessions_of(loaded: Loaded, status: Status) -> Sessions:
    """Those of an earlier life, and room for more."""
    sessions = Sessions(loaded.paths.sessions, status.clock)
    sessions.load()
    return sessions


def codes_route(sessions: Sessions, status: Status) -> Route:
    """For the control paths."""
    codes = Codes(sessions, status.public_url)
    return Route("/control/dashboard", codes.made, methods=["POST"])


def dashboard_app(
    loaded: Loaded, status: Status, *, main: MainPeer, sessions: Sessions, closing: asyncio.Event
) -> App:
    """The pages over this main."""
    state = sha256(str(loaded.paths.state).encode("utf-8", "surrogateescape")).hexdigest()
    return Dashboard(
        main=main,
        worker=WorkerPeer(loaded.paths.worker_socket),
        clock=status.clock,
        zone=ZoneInfo(status.zone),
        door=Door(sessions, f"twotier_{state[:ID_CHARACTERS]}"),
        closing=closing,
        version=status.version,
        public_url=status.public_url,
    ).app()
