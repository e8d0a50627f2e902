"""What `twotier notify` asks of main: a test message, and to take in a changed configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from twotier.alerts.desk import Alerts
from twotier.errors import RequestError

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class AlertControl:
    """The desk from outside. `reload` reads the configuration's channels again."""

    desk: Alerts
    reload: Callable[[], None]

    async def test(self, request: HttpRequest) -> Response:
        """Send a message through the channel `name`; what the other side said."""
        try:
            body = msgspec.json.decode(await request.body(), type=dict[str, Any])
        except msgspec.MsgspecError as exc:
            raise RequestError(f"the body is not a JSON object: {exc}") from exc
        name = str(body.get("name") or "")
        said = await self.desk.test(name)
        return JSONResponse({"schema_version": SCHEMA_VERSION, "name": name, "said": said})

    async def renew(self, _: HttpRequest) -> Response:
        """The channels as the file has them now are in force with the answer."""
        self.reload()
        channels = self.desk.channels()
        return JSONResponse({"schema_version": SCHEMA_VERSION, "channels": channels})
