"""The page for approvals behind the gateway's door: open without a key, closed to other sites."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.agent.stage import lived
from twotier.build.passing import pass_on
from twotier.errors import NotRunningError
from twotier.gateway.app import Gateway
from twotier.gateway.approve import FORM, ApprovePage
from twotier.gateway.auth import Door
from twotier.gateway.clients import Clients
from twotier.gateway.refusals import Refusals
from twotier.keys import KeyFile

HOST = (b"host", b"127.0.0.1:8484")
FORMED = (b"content-type", FORM.encode())


@asynccontextmanager
async def worker(folder: Path, asked: list[tuple[str, str, str]]) -> AsyncIterator[Path]:
    """A worker that answers every page, on a real socket."""

    async def answer(request: web.Request) -> web.Response:
        asked.append((request.method, request.path_qs, await request.text()))
        headers = {"cache-control": "no-store", "x-secret": "kept", "set-cookie": "a=b"}
        return web.Response(text="<h1>page</h1>", content_type="text/html", headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.UnixSite(runner, str(folder / "worker.sock")).start()
        yield folder / "worker.sock"
    finally:
        await runner.cleanup()


async def ask(
    socket: Path, method: str, *, headers: list[tuple[bytes, bytes]], body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    """What the gateway says to one request."""
    page = ApprovePage(lambda verb, path, sent: pass_on(socket, verb, path=path, body=sent))
    gateway = Gateway(
        Door(Clients(KeyFile(socket.parent / "keys.json"), default_key="tt-right", zone="UTC")),
        {("GET", "/approve"): page.shown, ("POST", "/approve"): page.pressed},
        refusals=Refusals(lambda: "r1"),
    )
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "path": "/approve",
        "query_string": b"id=a%2Fb&until=5&token=x",
        "headers": headers,
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await gateway(scope, receive, send)
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, sent[1]["body"]


@lived
async def test_the_page_is_passed_on_without_a_key(tmp_path: Path) -> None:
    """Query and form go on as they came; of the answer's headers those of a page come back."""
    asked: list[tuple[str, str, str]] = []
    async with worker(tmp_path, asked) as socket:
        status, headers, body = await ask(socket, "GET", headers=[HOST])
        form = b"id=a&verdict=yes&token=x"
        pressed = await ask(socket, "POST", headers=[HOST, FORMED], body=form)
    assert (status, body) == (200, b"<h1>page</h1>")
    assert headers["cache-control"] == "no-store"
    assert "x-secret" not in headers
    assert "set-cookie" not in headers
    assert pressed[0] == 200
    assert asked == [
        ("GET", "/approve?id=a%2Fb&until=5&token=x", ""),
        ("POST", "/approve", form.decode()),
    ]


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"evil.example"), FORMED],
        [HOST, FORMED, (b"origin", b"https://evil.example")],
        [HOST, FORMED, (b"origin", b"null")],
        [HOST, (b"content-type", b"text/plain")],
    ],
)
@lived
async def test_other_sites_press_no_button(
    tmp_path: Path, headers: list[tuple[bytes, bytes]]
) -> None:
    """A foreign Host or Origin, or what is no form, never reaches the worker."""
    asked: list[tuple[str, str, str]] = []
    async with worker(tmp_path, asked) as socket:
        status, _, _ = await ask(socket, "POST", headers=headers, body=b"verdict=yes")
    assert status in (400, 403)
    assert asked == []


def test_a_worker_that_is_down_is_said(tmp_path: Path) -> None:
    """And not a broken page."""
    with pytest.raises(NotRunningError, match="worker"):
        asyncio.run(pass_on(tmp_path / "no.sock", "GET", path="/approve", body=b""))
