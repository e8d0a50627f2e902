"""The page on which an owner approves a call of a tool, passed on to the worker that keeps it.

It asks for no key, because a phone has none: the link is signed, and the worker checks it. The
door has checked Host and Origin as for every page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from twotier.errors import RequestError
from twotier.gateway.asgi import Call, encode, header, read_body, respond

PATH = "/approve"
BODY_BYTES_MAX = 4_096
PASSED_BACK = (
    *("content-type", "cache-control", "content-security-policy", "referrer-policy"),
    *("x-content-type-options", "x-frame-options"),
)
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Passed:
    """What the worker answered."""

    status: int
    headers: dict[str, str]
    body: bytes


# Method, path with its query, body. Raises `NotRunningError` where the worker does not answer.
Pass = Callable[[str, str, bytes], Awaitable[Passed]]


@dataclass(frozen=True, slots=True)
class ApprovePage:
    """GET shows, POST decides. Nothing of the request but its query and its form goes on."""

    send_on: Pass

    async def shown(self, call: Call) -> None:
        """The page of a link."""
        query = call.scope.get("query_string", b"").decode("latin-1")
        await self._answer(call, "GET", path=f"{PATH}?{query}", body=b"")

    async def pressed(self, call: Call) -> None:
        """A button of the page."""
        if not header(call.scope, b"content-type").startswith(FORM):
            raise RequestError("send the form of the page")
        body = await read_body(call.scope, call.receive, bytes_max=BODY_BYTES_MAX)
        await self._answer(call, "POST", path=PATH, body=body)

    async def _answer(self, call: Call, method: str, *, path: str, body: bytes) -> None:
        passed = await self.send_on(method, path, body)
        found = {name.lower(): value for name, value in passed.headers.items()}
        kept = ((name, found[name]) for name in PASSED_BACK if name in found)
        await respond(call.send, passed.status, body=passed.body, headers=encode(kept))
