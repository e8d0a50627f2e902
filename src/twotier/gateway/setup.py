"""What the dashboard's setup page asks: the doctor's findings, the configuration, the channels.

On the private socket only. Whoever knows the configuration finds it, and is handed in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from twotier.alerts.desk import Alerts
from twotier.gateway.key_desk import KeyDesk

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Setup:
    """The paths. `config` and `channels` block; `doctor` takes seconds."""

    keys: KeyDesk
    doctor: Callable[[], Awaitable[dict[str, Any]]]
    config: Callable[[], dict[str, Any]]
    channels: Callable[[], list[dict[str, str]]]
    desk: Alerts

    async def examined(self, _: HttpRequest) -> Response:
        """What `twotier doctor --json` says."""
        return JSONResponse({"schema_version": SCHEMA_VERSION, **await self.doctor()})

    async def configured(self, _: HttpRequest) -> Response:
        """The file, its settings and who said them, its secrets by their places."""
        told = await asyncio.to_thread(self.config)
        return JSONResponse({"schema_version": SCHEMA_VERSION, **told})

    async def ways(self, _: HttpRequest) -> Response:
        """Every channel, and what waits for it, as `twotier notify list --json`."""
        named = await asyncio.to_thread(self.channels)
        states = {str(one["name"]): one for one in self.desk.channels()}
        rows = [states.get(one["name"], {}) | one for one in named]
        return JSONResponse({"schema_version": SCHEMA_VERSION, "channels": rows})
