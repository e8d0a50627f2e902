"""What breaks to order is broken as it is called, and remembers who left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bench.bodies import small
from bench.faults import upstream as faulty
from bench.faults.leaving import Leaver, lags, leave
from bench.faults.lies import IN_ONE, STREAMED, taken
from bench.faults.upstream import MEMORY, Asked, Faulty, Order
from bench.load import LoadError, Target, connect
from bench.stage import Route

PATHS = ("/v1/chat/completions", "/v1/messages")
DIALECTS = pytest.mark.parametrize("path", PATHS)
WAIT_SECONDS = 30.0
# What even an official SDK takes for an answer: the reason why somebody in between has to look.
TAKEN = {
    ("early", PATHS[0]),
    ("early", PATHS[1]),
    ("page", PATHS[0]),
    ("page", PATHS[1]),
    ("nothing", PATHS[0]),
    ("nothing", PATHS[1]),
    ("nocall", PATHS[0]),
    ("nocall", PATHS[1]),
}


@asynccontextmanager
async def running(path: str) -> AsyncIterator[Route]:
    """It serves in this process; what it remembers is its module's."""
    MEMORY.order = Order()
    MEMORY.clear()
    loop = asyncio.get_running_loop()
    async with await loop.create_server(Faulty, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield Route(Target(port, path, "sk-bench"), "bench")


def at(path: str, work: Callable[[Route], Coroutine[Any, Any, Any]]) -> Any:
    """What `work` returns of it."""

    async def scenario() -> Any:
        async with running(path) as route:
            return await work(route)

    return asyncio.run(scenario())


@DIALECTS
@pytest.mark.parametrize("stream", [True, False])
def test_a_good_answer_is_taken_with_its_reason_to_end(path: str, *, stream: bool) -> None:
    """Else a count of lies would be one of everything."""
    assert at(path, lambda route: taken(route, "", stream=stream)) is True


@DIALECTS
@pytest.mark.parametrize("plan", STREAMED)
def test_what_an_sdk_takes_of_broken_streams(path: str, plan: str) -> None:
    """Some of them it does, which is what is measured."""
    seen = at(path, lambda route: taken(route, plan, stream=True))
    assert (seen is not None) is ((plan, path) in TAKEN), seen


@DIALECTS
@pytest.mark.parametrize("plan", ["cut", "half", "page"])
def test_broken_answers_in_one_piece_are_heard(path: str, plan: str) -> None:
    """They are no JSON."""
    assert plan in IN_ONE
    assert at(path, lambda route: taken(route, plan, stream=False)) is None


@DIALECTS
def test_all_or_none_are_refused(path: str) -> None:
    """By the share that was ordered; each is counted."""

    async def scenario(route: Route) -> int:
        MEMORY.order = Order(share=1.0)
        messages = path == PATHS[1]
        connection = await connect(route.target)
        for _ in range(9):
            with pytest.raises(LoadError, match=r"HTTP/1.1 (429|500|529)"):
                await connection.ask(route.target.request(small("bench", messages=messages)))
        MEMORY.order = Order()
        await connection.ask(route.target.request(small("bench", messages=messages)))
        connection.close()
        return MEMORY.messages

    assert at(path, scenario) == (10 if path == PATHS[1] else 0)
    assert MEMORY.asked == 10


@DIALECTS
@pytest.mark.parametrize("stream", [True, False])
def test_who_leaves_is_remembered(path: str, *, stream: bool) -> None:
    """With the time, which is the same clock as the leaver's."""

    async def scenario(route: Route) -> float:
        gone = await leave(Leaver(7, route, stream), 0.05)
        async with asyncio.timeout(WAIT_SECONDS):
            while 7 not in MEMORY.numbered or MEMORY.numbered[7].how == "open":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return gone

    gone = at(path, scenario)
    assert MEMORY.numbered[7].how == "left"
    seen = lags([7, 8], {7: gone, 8: gone}, MEMORY.numbered)
    assert len(seen.closed) == seen.never == 1
    assert seen.kept == 0


def test_what_went_on_to_its_end_is_not_closed() -> None:
    """And what was never asked is counted by itself."""
    seen = lags(
        [1, 2, 3], {1: 5.0, 2: 5.0, 3: 5.0}, {1: Asked(4, 5.5, "left"), 2: Asked(4, 9, "whole")}
    )
    assert (seen.soon, seen.kept, seen.never) == (0.5, 1, 1)


def test_a_hung_one_answers_everything_but_questions() -> None:
    """As mlx-lm's `/health` did for hours."""

    async def scenario(route: Route) -> None:
        MEMORY.order = Order(hung=True)
        connection = await connect(route.target)
        health = f"GET /health HTTP/1.1\r\nhost: x:{route.target.port}\r\n\r\n"
        await connection.ask(health.encode())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.ask(route.target.request(small("bench"))), 0.2)
        connection.close()

    at(PATHS[0], scenario)


def test_its_orders_are_taken_over_the_wire() -> None:
    """As the bench gives them, in a process of its own."""

    async def scenario(route: Route) -> bytes:
        connection = await connect(route.target)
        body = json.dumps({"share": 0.5, "hung": False}).encode()
        await connection.ask(Target(route.target.port, "/order").request(body))
        answer = await connection.ask(Target(route.target.port, "/seen").request(b""))
        connection.close()
        return answer

    told = json.loads(at(PATHS[0], scenario).partition(b"\r\n\r\n")[2])
    assert told == {"asked": 0, "messages": 0, "numbered": {}}
    assert faulty.MEMORY.order.share == 0.5
