"""How long a body may take, in virtual time: a slow line is waited for, silence is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, cast

from tests.serve.running import Echo
from tests.simulator.loop import Universe
from twotier.serve.connection import Connection
from twotier.serve.cycle import Cycle
from twotier.serve.limits import Limits

LIMITS = Limits()
SECONDS = LIMITS.body_seconds_max
HEAD = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"


class Wire:
    """What a connection asks of its transport; `heard` is what it wrote, and when it began to."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.heard = b""
        self.heard_at = 0.0
        self.paused = False
        self.ended = False

    def write(self, data: bytes) -> None:
        self.heard_at = self.heard_at or self.loop.time()
        self.heard += data

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def close(self) -> None:
        self.ended = True

    def is_closing(self) -> bool:
        return self.ended

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, _: str) -> None:
        return None


class Home:
    """Who a connection belongs to, without the rest of a server."""

    limits = LIMITS
    closing = False
    date = b"Thu, 01 Jan 1970 00:00:00 GMT"

    def __init__(self, app: Callable[[Any, Any, Any], Coroutine[Any, Any, None]]) -> None:
        self.app = app

    def opened(self, _: Connection) -> bool:
        return True

    def forget(self, _: Connection) -> None:
        pass

    def start(self, cycle: Cycle) -> asyncio.Task[None]:
        return asyncio.ensure_future(self.app(cycle.scope, cycle.receive, cycle.send))


def lived(scenario: Callable[[Connection, Wire], Coroutine[Any, Any, None]], app: Any) -> Wire:
    """A client's part against a connection, in virtual time."""
    universe = Universe(Random(1))
    loop = universe.loop("server")
    made: list[Wire] = []

    async def life() -> None:
        wire = Wire(asyncio.get_running_loop())
        made.append(wire)
        connection = Connection(Home(app))
        connection.connection_made(cast("asyncio.Transport", wire))
        await scenario(connection, wire)
        connection.connection_lost(None)

    task = loop.begin(life())
    universe.run(task.done)
    loop.close()
    task.result()
    return made[0]


def test_a_slow_line_is_waited_for() -> None:
    """Half a megabyte at 4.8 kbit/s is minutes: with some of it every 20 s all of it is taken."""
    piece, count = b"x" * 12_000, 40

    async def sends(connection: Connection, wire: Wire) -> None:
        connection.data_received(HEAD % (len(piece) * count))
        for _ in range(count):
            await asyncio.sleep(20)
            connection.data_received(piece)
        await asyncio.sleep(1)
        assert not wire.ended

    wire = lived(sends, Echo())
    assert wire.heard.startswith(b"HTTP/1.1 200 OK")
    assert wire.heard_at == 20 * count


def test_silence_is_not_waited_for_however_much_has_come() -> None:
    """From the last byte on."""

    async def stops(connection: Connection, _: Wire) -> None:
        connection.data_received(HEAD % 1_000_000)
        await asyncio.sleep(7)
        connection.data_received(b"x" * 200_000)
        await asyncio.sleep(300)

    wire = lived(stops, Echo())
    assert wire.heard.startswith(b"HTTP/1.1 408")
    assert wire.heard_at == 7 + SECONDS
    assert wire.ended


def test_a_byte_now_and_then_gains_nothing() -> None:
    """One a second, for as long as it likes."""

    async def drips(connection: Connection, wire: Wire) -> None:
        connection.data_received(HEAD % 1_000_000)
        for _ in range(300):
            await asyncio.sleep(1)
            if not wire.ended:
                connection.data_received(b"x")

    wire = lived(drips, Echo())
    assert wire.heard.startswith(b"HTTP/1.1 408")
    assert SECONDS <= wire.heard_at < SECONDS + 1


def test_what_we_do_not_read_is_not_the_clients_delay() -> None:
    """A body behind an answer that takes minutes: the client waits for us, and may then go on."""

    async def busy(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "GET":
            await asyncio.sleep(200)
        await Echo()(scope, receive, send)

    first, rest = b"x" * 400_000, b"x" * 100_000

    async def follows(connection: Connection, wire: Wire) -> None:
        connection.data_received(b"GET / HTTP/1.1\r\n\r\n")
        connection.data_received(HEAD % (len(first) + len(rest)) + first)
        held = [wire.paused]
        await asyncio.sleep(201)
        held.append(wire.paused)
        assert held == [True, False]
        await asyncio.sleep(SECONDS - 5)
        connection.data_received(rest)
        await asyncio.sleep(1)

    wire = lived(follows, busy)
    assert wire.heard.count(b"HTTP/1.1 200 OK") == 2
    assert len(wire.heard) > 500_000
