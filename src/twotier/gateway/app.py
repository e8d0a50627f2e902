"""The table of paths, and what is true of all of them: a caller is admitted before anything else.

Two applications are made from it: one for TCP, one for the private socket, which alone has the
control paths.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from twotier.domain.task import Caller
from twotier.errors import MethodError, NotFoundError, TwotierError
from twotier.gateway.asgi import JSON, App, Call, Handler, Receive, Scope, Send, respond
from twotier.gateway.auth import Door
from twotier.gateway.models import refuse
from twotier.protocols import INBOUND

log = logging.getLogger("twotier.gateway")


@dataclass(frozen=True, slots=True)
class Gateway:
    """An ASGI application. `routes` maps method and path; `control` is asked for `/control/...`."""

    door: Door
    routes: Mapping[tuple[str, str], Handler]
    control: App | None = None
    open_paths: frozenset[str] = field(default_factory=lambda: frozenset({"/healthz"}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or say why not; never with a stack trace."""
        if scope["type"] != "http":
            return  # no lifespan, no websockets
        try:
            await self.route(scope, receive, send)
        except TwotierError as exc:
            await refuse(send, exc, wire=INBOUND["openai_chat"])
        except Exception:  # the top of a request: what is left is a defect, and must be seen
            log.exception("defect", extra={"path": scope["path"]})
            body = b'{"error":{"message":"an internal error; see the log","type":"api_error"}}'
            await respond(send, 500, body=body, headers=[JSON])

    async def route(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find the handler of a path, after its caller was admitted."""
        path = scope["path"]
        if path in self.open_paths:
            self.door.check_browser(scope)
            caller = Caller()
        else:
            caller = self.door.admit(scope)
        if self.control is not None and path.startswith("/control/"):
            await self.control(scope, receive, send)
            return
        handler = self.routes.get((scope["method"], path))
        if handler is None:
            raise self.nothing_there(scope["method"], path)
        await handler(Call(scope, receive, send, caller))

    def nothing_there(self, method: str, path: str) -> TwotierError:
        """404 for a path nobody has, 405 for a method this path does not take."""
        known = sorted(f"{one} {at}" for one, at in self.routes)
        text = f"no {method} {path} here; there are: {', '.join(known)}"
        if any(at == path for _, at in self.routes):
            return MethodError(text)
        return NotFoundError(text)
