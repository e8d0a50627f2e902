"""Idle connections: few, not for long, and none left behind."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.providers.raw_upstream import LOOPS, OK, RawUpstream, answering, run, serving, whole
from twotier.providers.plain_pool import IDLE_CONNECTIONS_MAX, Pool


@pytest.fixture(params=list(LOOPS))
def loop(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


def test_an_idle_connection_is_closed_in_time_though_nobody_asks_again(loop: str) -> None:
    async def scenario() -> None:
        async with serving(answering(OK, OK)) as upstream, Pool(idle_seconds=0.1) as pool:
            for _ in range(2):  # the timer winds itself up again
                upstream.left.clear()
                await whole(pool, upstream)
                async with asyncio.timeout(60):
                    await upstream.left.wait()
            assert upstream.connections == 2

    run(loop, scenario())


def test_an_idle_connection_that_is_too_old_is_not_taken(loop: str) -> None:
    async def scenario() -> None:
        async with serving(answering(OK, OK)) as upstream, Pool(idle_seconds=0.0) as pool:
            assert [await whole(pool, upstream) for _ in range(2)] == [b"ok"] * 2
            assert upstream.connections == 2

    run(loop, scenario())


def test_a_connection_its_server_closed_while_idle_is_no_trouble(loop: str) -> None:
    """Whether the close is seen before the next request or only with it."""

    async def scenario() -> list[bytes]:
        async with serving(answering(OK)) as upstream, Pool() as pool:
            return [await whole(pool, upstream) for _ in range(20)]

    assert run(loop, scenario()) == [b"ok"] * 20


def test_only_so_many_connections_stay_idle(loop: str) -> None:
    async def scenario() -> tuple[int, int]:
        together = IDLE_CONNECTIONS_MAX + 8
        everybody = asyncio.Barrier(together)
        left = 0
        enough = asyncio.Event()

        async def serve(
            upstream: RawUpstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            nonlocal left
            await upstream.request(reader)
            await everybody.wait()
            writer.write(OK)
            await upstream.until_left(reader)
            left += 1
            if left == together - IDLE_CONNECTIONS_MAX:
                enough.set()

        async with serving(serve) as upstream, Pool() as pool:
            async with asyncio.TaskGroup() as group:
                for _ in range(together):
                    group.create_task(whole(pool, upstream))
            async with asyncio.timeout(60):
                await enough.wait()
            return upstream.connections, left

    connections, left = run(loop, scenario())
    assert (connections, left) == (IDLE_CONNECTIONS_MAX + 8, 8)


def test_leaving_the_pool_closes_every_socket(loop: str) -> None:
    async def scenario() -> None:
        async with serving(answering(OK, OK)) as upstream:
            async with Pool() as pool:
                await whole(pool, upstream)
                connection = pool.take(("127.0.0.1", upstream.url.port or 0))
                assert connection is not None
                assert not connection.lost.done()
            assert connection.lost.done()
            async with asyncio.timeout(60):
                await upstream.left.wait()

    run(loop, scenario())


def test_small_writes_are_not_held_back(loop: str) -> None:
    """Both loops set TCP_NODELAY by themselves; without it a first token comes 40 ms late."""

    async def scenario() -> int:
        async with serving(answering(OK, OK)) as upstream, Pool() as pool:
            connection = await pool.connect(("127.0.0.1", upstream.url.port or 0))
            sock: socket.socket = connection._transport.get_extra_info("socket")
            return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    assert run(loop, scenario()) != 0


@pytest.mark.parametrize("turns", range(9))
def test_who_leaves_while_it_connects_leaves_nothing_behind(turns: int) -> None:
    """At whichever turn of the loop: uvloop tells a connection that it stands, and then does not
    tell it of its end, if its opener is cancelled between the two.
    """

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as upstream:
            async with asyncio.timeout(60), Pool() as pool:
                opening = asyncio.create_task(pool.connect(upstream.getsockname()))
                for _ in range(turns):
                    await asyncio.sleep(0)
                opening.cancel()
                await asyncio.wait([opening])

    run("uvloop", scenario())
