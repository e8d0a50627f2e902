"""What is found on a machine: real servers on real ports, real folders."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from twotier.models import discover
from twotier.models.discover import FoundServer, Place, servers
from twotier.supervisor.process import Processes

PATIENCE_SECONDS = 60.0  # a machine that is busy with something else answers later than a third
LIST = json.dumps({"object": "list", "data": [{"id": "qwen3:8b"}, {"id": "tiny"}]})


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discover, "ANSWER_SECONDS_MAX", PATIENCE_SECONDS)


@contextlib.asynccontextmanager
async def answering(
    body: str,
    *,
    status: int = 200,
    after: Callable[[], Awaitable[object]] | None = None,
    to: str = "",
) -> AsyncIterator[int]:
    """A server on a free port that says this to `/v1/models`, in two pieces."""

    async def models(request: web.Request) -> web.StreamResponse:
        if after is not None:
            await after()
        response = web.StreamResponse(status=status, headers={"location": to} if to else {})
        await response.prepare(request)
        await response.write(body[:20].encode())
        await asyncio.sleep(0.01)
        await response.write(body[20:].encode())
        return response

    app = web.Application()
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def test_a_server_that_answers_is_found_with_its_models() -> None:
    async def scenario() -> tuple[FoundServer, ...]:
        async with answering(LIST) as port:
            nobody = Processes().free_port()
            return await servers([Place("nobody", nobody), Place("ollama", port)])

    (found,) = asyncio.run(scenario())
    assert found.kind == "ollama"
    assert found.models == ("qwen3:8b", "tiny")
    assert found.text().endswith("(qwen3:8b, tiny)")


def test_an_empty_answer_is_a_server_too() -> None:
    """mlx-lm without a model cache says nothing at all."""

    async def scenario() -> tuple[FoundServer, ...]:
        async with answering("") as port:
            return await servers([Place("mlx-lm", port)])

    (found,) = asyncio.run(scenario())
    assert found.models == ()
    assert "no model listed" in found.text()


@pytest.mark.parametrize(
    ("body", "status"), [(LIST, 401), ("<html>", 200), ("[]", 200), ('{"data": 7}', 200)]
)
def test_what_is_no_open_model_server_is_passed_over(body: str, status: int) -> None:
    async def scenario() -> tuple[FoundServer, ...]:
        async with answering(body, status=status) as port:
            return await servers([Place("something", port)])

    assert asyncio.run(scenario()) == ()


def test_a_server_that_sends_us_elsewhere_is_none() -> None:
    """What is there is not on the port we asked, and may not even be on this machine."""

    async def scenario() -> tuple[FoundServer, ...]:
        async with answering(LIST) as there:
            to = f"http://127.0.0.1:{there}/v1/models"
            async with answering("", status=302, to=to) as port:
                return await servers([Place("something", port)])

    assert asyncio.run(scenario()) == ()


def test_a_slow_server_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discover, "ANSWER_SECONDS_MAX", 0.1)

    async def scenario() -> tuple[FoundServer, ...]:
        async with answering(LIST, after=asyncio.Event().wait) as port:
            return await servers([Place("a", port)])

    assert asyncio.run(scenario()) == ()


def test_servers_are_looked_at_side_by_side() -> None:
    """Each of these answers only when both are asked."""
    both = asyncio.Barrier(2)

    async def scenario() -> tuple[FoundServer, ...]:
        async with answering(LIST, after=both.wait) as one, answering(LIST, after=both.wait) as two:
            return await servers([Place("a", one), Place("b", two)])

    assert [found.kind for found in asyncio.run(scenario())] == ["a", "b"]
