"""Clients that send too much, too slowly or nonsense: each is told so, and closed.

Raw bytes over real sockets; the times are short so that nobody has to wait for them.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from tests.serve.running import HEAD, Echo, Running, one, rest
from twotier.serve.limits import Limits

QUICK = Limits(
    head_seconds_max=0.2,
    body_seconds_max=0.3,
    idle_seconds_max=0.2,
    stall_seconds_max=0.4,
    linger_seconds_max=0.2,
)
GET = b"GET / HTTP/1.1\r\nhost: localhost\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """With the limits of every day."""
    with Running(Echo()) as running:
        yield running


def status(answer: bytes) -> int:
    """Of an answer; its body, if it is an error, is JSON that says what to do."""
    head, _, body = answer.partition(b"\r\n\r\n")
    code = int(head.split(b" ")[1])
    if code >= 400:
        assert b"content-type: application/json" in head.lower()
        assert b"connection: close" in head.lower()
        assert json.loads(body)["error"]["message"]
    return code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20, 400),  # TLS on a plain port
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost : localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n", 400),  # folded lines
        (b"GET / HTTP/1.1\r\na: b\x00c\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: -5\r\n\r\nhello", 400),
        (
            b"POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\n\r\n", 414),
        (GET + b"x: y\r\n" * 200 + b"\r\n", 431),
        (GET + b"x: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        (GET + b"x: " + b"y" * 900_000, 431),  # a line that never ends
        (GET + b"".join(b"x%d: %b\r\n" % (n, b"y" * 3_000) for n in range(100)), 431),
    ],
)
def test_what_is_no_request_gets_an_error_in_json(server: Running, data: bytes, code: int) -> None:
    """The reason reaches the client however much it went on sending, and the connection ends."""
    assert status(server.ask(data)) == code


def test_a_head_as_large_as_allowed_is_taken(server: Running) -> None:
    """In one piece or in many."""
    data = GET + b"x: " + b"y" * 60_000 + b"\r\nconnection: close\r\n\r\n"
    assert status(server.ask(data)) == 200
    with closing(server.connect()) as line:
        for start in range(0, len(data), 1_000):
            line.sendall(data[start : start + 1_000])
        assert status(rest(line)) == 200


def test_trailers_are_not_taken_for_headers_and_have_an_end() -> None:
    """They come after the request was let in, so nothing may depend on them."""
    echo = Echo()
    body = b"5\r\nhello\r\n0\r\n"
    chunked = b"POST / HTTP/1.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    with Running(echo) as server:
        answer = server.ask(chunked + body + b"x-twotier-policy: auto\r\nhost: evil\r\n\r\n")
        assert answer.endswith(b"hello")
        assert [name for name, _ in echo.scopes[0]["headers"]] == [
            b"connection",
            b"transfer-encoding",
        ]
        for endless in (b"x: " + b"y" * 900_000, b"x: y\r\n" * 200_000):
            assert status(server.ask(chunked + body + endless)) == 431
        assert status(server.ask(chunked + b"5;" + b"e" * 900_000)) == 431


@pytest.mark.parametrize("beginning", [b"P", HEAD[:20], HEAD[:-2], HEAD[:-1]])
def test_a_head_that_does_not_end_is_given_up(beginning: bytes) -> None:
    """Slowloris: also for whoever sends a byte now and then."""
    with Running(Echo(), QUICK) as server, closing(server.connect()) as line:
        line.sendall(beginning)
        assert status(rest(line)) == 408
        with closing(server.connect()) as dripping:
            dripping.sendall(b"GET / HTTP/1.1\r\n")
            with pytest.raises(ConnectionError):
                drip(dripping)


def drip(line: socket.socket) -> None:
    """A header now and then, until the other side has had enough of them."""
    while True:
        line.sendall(b"x: y\r\n")
        threading.Event().wait(0.02)


def test_a_body_that_does_not_end_is_given_up() -> None:
    """The application hears that its client is gone, the client why."""
    echo = Echo()
    with Running(echo, QUICK) as server, closing(server.connect()) as line:
        line.sendall(HEAD + b"he")
        assert status(rest(line)) == 408
        assert echo.left.wait(60)


def test_a_connection_that_says_nothing_is_closed_in_silence() -> None:
    """Before its first request and between two."""
    with Running(Echo(), QUICK) as server:
        with closing(server.connect()) as line:
            assert rest(line) == b""
        with closing(server.connect()) as line:
            line.sendall(HEAD + b"hello")
            assert one(line).endswith(b"hello")
            assert rest(line) == b""


def test_a_client_that_takes_nothing_is_given_up() -> None:
    """An answer that nobody reads does not stay in memory; whoever reads slowly still gets it."""
    ended: list[str] = []

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            for _ in range(4_000):
                await send({"type": "http.response.body", "body": b"x" * 5_000, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            ended.append("whole")
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    with Running(endless, QUICK) as server:
        with closing(server.connect()) as line:
            line.sendall(HEAD + b"hello")
            server.wait_for(lambda: ended == ["cancelled"])
        with closing(server.connect()) as line:
            line.sendall(HEAD + b"hello")
            size = 0
            while part := line.recv(200_000):
                size += len(part)
                threading.Event().wait(0.005)
            assert size > 20_000_000
            assert ended == ["cancelled", "whole"]


def test_an_answer_that_is_written_and_not_taken_is_given_up_too() -> None:
    """All of it lies in the buffer, the application has long ended, and the client is silent."""

    async def large(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * 20_000_000})

    with Running(large, QUICK) as server, closing(server.connect()) as line:
        line.sendall(GET + b"connection: close\r\n\r\n")
        server.wait_for(lambda: server.connections == 1)
        server.wait_for(lambda: server.connections == 0)


def test_more_connections_than_allowed_are_told_to_come_again() -> None:
    """Those that stand are not disturbed, and room that was left is given again."""
    with Running(Echo(), Limits(connections_max=3)) as server, ExitStack() as stack:
        lines = [stack.enter_context(closing(server.connect())) for _ in range(3)]
        server.wait_for(lambda: server.connections == 3)
        answer = server.ask(HEAD)
        assert status(answer) == 503
        assert b"retry-after: 1" in answer.lower()
        for line in lines:
            line.sendall(HEAD + b"hello")
            assert one(line).endswith(b"hello")
        lines[0].close()
        server.wait_for(lambda: server.connections == 2)
        assert (
            status(server.ask(HEAD.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\nhello")))
            == 200
        )


def test_connections_far_beyond_the_limit_are_closed_at_once() -> None:
    """Even being told so costs something."""
    limits = Limits(connections_max=2, linger_seconds_max=60)
    with Running(Echo(), limits) as server, ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(closing(server.connect()))
        server.wait_for(lambda: server.connections == 4)
        with closing(server.connect()) as line:
            assert heard_nothing(line)


def heard_nothing(line: socket.socket) -> bool:
    """Whether the other side ended it without a word."""
    try:
        return not line.recv(1)
    except ConnectionResetError:
        return True


def test_half_a_thousand_half_requests_leave_the_others_alone() -> None:
    """Good requests are answered beside them, and in the end they are all gone."""
    slow = Limits(head_seconds_max=1, body_seconds_max=1)
    with Running(Echo(), slow) as server, ExitStack() as stack:
        for number in range(400):
            line = stack.enter_context(closing(server.connect()))
            line.sendall(HEAD[:30] if number % 2 else HEAD + b"he")
        with closing(server.connect()) as good:
            for _ in range(50):
                good.sendall(HEAD + b"hello")
                assert one(good).endswith(b"hello")
        server.wait_for(lambda: server.connections == 0)


def test_a_request_that_was_refused_early_may_finish_sending() -> None:
    """The answer is not lost to a reset, and the connection can be used again."""

    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        length = (b"content-length", b"2")
        await send({"type": "http.response.start", "status": 413, "headers": [length]})
        await send({"type": "http.response.body", "body": b"no"})

    with Running(refusing) as server, closing(server.connect()) as line:
        size = 5_000_000
        for _ in range(2):
            line.sendall(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % size)
            line.sendall(b"x" * size)
            assert one(line).endswith(b"no")
        # Also where it asks for the end of the connection, as urllib does: the end comes in order.
        line.sendall(b"POST / HTTP/1.1\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % size)
        line.sendall(b"x" * size)
        assert rest(line).endswith(b"no")
