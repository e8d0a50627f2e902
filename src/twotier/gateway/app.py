"""The table of paths, and what is true of all of them: a caller is admitted before anything else.

Two applications are made from it: one for TCP, one for the private socket, which alone has the
control paths.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from twotier.domain.message import PATHS, Dialect
from twotier.domain.task import Caller
from twotier.errors import MethodError, NotFoundError, TwotierError
from twotier.gateway.asgi import (
    App,
    Call,
    Handler,
    Receive,
    Scope,
    Send,
    header,
)
from twotier.gateway.auth import Door, PrivateDoor
from twotier.gateway.cors import is_preflight, preflight, sharing
from twotier.gateway.hooks import HOOKS
from twotier.gateway.models import refuse
from twotier.gateway.plain import DESCRIPTION
from twotier.gateway.refusals import Refusals
from twotier.protocols import INBOUND

TRACE_CHARACTERS_MAX = 64  # a `traceparent` has 55
DIALECT_AT: Mapping[str, Dialect] = {
    f"/v1{path}": dialect for dialect, path in PATHS.items() if dialect in INBOUND
}


def is_page(scope: Scope) -> bool:
    """Whether a person looks at this path: the dashboard's, and the bare address."""
    path: str = scope["path"]
    bare = path == "/" and scope["method"] in ("GET", "HEAD")
    return bare or path == "/ui" or path.startswith("/ui/")


def dialect_of(path: str) -> Dialect:
    """The dialect of whoever asks here; where none is known, the one most clients read."""
    return DIALECT_AT.get(path, "openai_chat")


def traced(caller: Caller, scope: Scope) -> Caller:
    """The caller with the span of its own that it named; it goes on to nobody."""
    trace = header(scope, b"traceparent")
    return replace(caller, trace=trace) if 0 < len(trace) <= TRACE_CHARACTERS_MAX else caller


def heeded(names: Collection[str]) -> frozenset[bytes]:
    """The headers that rules of the owner's look at, as they stand in a request."""
    return frozenset(name.encode("latin-1") for name in names)


def headed(caller: Caller, scope: Scope, *, names: Collection[bytes]) -> Caller:
    """The caller with those headers of its request that rules look at. One that is sent twice is
    read as HTTP says: as one with a comma.
    """
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name in names:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            found[key] = f"{found[key]}, {text}" if key in found else text
    return replace(caller, headers=found) if found else caller


@dataclass(frozen=True, slots=True)
class Gateway:
    """An ASGI application. `routes` maps method and path; `control` is asked for `/control/...`,
    `hooks` for `POST /hooks/...`, which needs no key; `pages` for the dashboard, which has a door
    of its own. `spans`: somebody makes spans, so the client's own is looked for. `heeded`: the
    headers that rules look at.
    """

    door: Door | PrivateDoor
    routes: Mapping[tuple[str, str], Handler]
    control: App | None = None
    hooks: Handler | None = None
    pages: App | None = None
    refusals: Refusals = field(kw_only=True)
    spans: bool = False
    heeded: frozenset[bytes] = frozenset()
    open_paths: frozenset[str] = frozenset({"/healthz", "/approve", DESCRIPTION})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or say why not; never with a stack trace."""
        if scope["type"] != "http":
            return  # no lifespan, no websockets
        # Pages of other origins may read the answers of models, never the dashboard.
        shared = self.pages is None or not is_page(scope)
        if origin := self.door.shares_with(scope) if shared else "":
            send = sharing(send, origin)
        try:
            if origin and is_preflight(scope):
                self.door.check_browser(scope)
                await preflight(scope, send)
            else:
                await self.route(scope, receive, send)
        except TwotierError as exc:
            self.refusals.note(exc, path=scope["path"], client="")
            await refuse(send, exc, wire=INBOUND[dialect_of(scope["path"])])
        except Exception as exc:  # noqa: BLE001 - what is left at the top is a defect: it is logged
            broken = self.refusals.defect(exc, path=scope["path"])
            await refuse(send, broken, wire=INBOUND[dialect_of(scope["path"])])

    async def route(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find the handler of a path, after its caller was admitted."""
        path = scope["path"]
        if self.pages is not None and is_page(scope):
            self.door.check_browser(scope)
            await self.pages(scope, receive, send)
            return
        if self.hooks is not None and scope["method"] == "POST" and path.startswith(HOOKS):
            self.door.check_browser(scope)
            await self.hooks(Call(scope, receive, send, Caller()))
            return
        if path in self.open_paths:
            self.door.check_browser(scope)
            caller = Caller()
        else:
            caller = self.door.admit(scope)
        if self.control is not None and path.startswith("/control/"):
            await self.control(scope, receive, send)
            return
        handler = self.routes.get((scope["method"], path))
        if handler is None and scope["method"] == "HEAD":  # the server leaves its body out
            handler = self.routes.get(("GET", path))
        if handler is None:
            raise self.nothing_there(scope["method"], path)
        if self.heeded:
            caller = headed(caller, scope, names=self.heeded)
        await handler(Call(scope, receive, send, traced(caller, scope) if self.spans else caller))

    def nothing_there(self, method: str, path: str) -> TwotierError:
        """404 for a path nobody has, 405 for a method this path does not take."""
        known = sorted(f"{one} {at}" for one, at in self.routes)
        text = f"no {method} {path} here; there are: {', '.join(known)}"
        if methods := [one for one, at in self.routes if at == path]:
            return MethodError(text, methods=[*methods, *(["HEAD"] if "GET" in methods else [])])
        return NotFoundError(text)
