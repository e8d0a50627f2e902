"""What an application and a client see of the server, byte for byte."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.serve.running import HEAD, Echo, Running, one, rest
from twotier.serve.limits import Limits

LAST = b"connection: close\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """One that echoes bodies."""
    with Running(Echo()) as running:
        yield running


def test_the_application_sees_the_request_as_it_was_sent() -> None:
    """Path decoded once, query raw, names in small letters, values as they came."""
    echo = Echo()
    with Running(echo) as server:
        server.ask(
            b"GET /a%2Fb%20c?x=%31&y HTTP/1.1\r\nHost: LocalHost\r\nX-A:  b\r\n" + LAST + b"\r\n"
        )
    (scope,) = echo.scopes
    assert (scope["method"], scope["path"], scope["raw_path"]) == ("GET", "/a/b c", b"/a%2Fb%20c")
    assert scope["query_string"] == b"x=%31&y"
    assert (b"host", b"LocalHost") in scope["headers"]
    assert (b"x-a", b"b") in scope["headers"]
    assert scope["client"][0] == "127.0.0.1"


def test_a_connection_carries_one_request_after_another(server: Running) -> None:
    """However the bytes were cut, and also if all of them came at once."""
    with closing(server.connect()) as line:
        for size in (1, 7, 1000):
            data = HEAD + b"hello"
            for start in range(0, len(data), size):
                line.sendall(data[start : start + size])
            assert one(line).endswith(b"hello")
        line.sendall(
            (HEAD + b"first" + HEAD + b"secnd") * 5
            + HEAD.replace(b"\r\n\r\n", b"\r\n" + LAST + b"\r\n")
            + b"third"
        )
        heard = rest(line)
        assert [heard.count(word) for word in (b"first", b"secnd", b"third")] == [5, 5, 1]
        assert heard.index(b"first") < heard.index(b"secnd") < heard.index(b"third")


def test_too_many_requests_at_once_on_one_connection_are_refused(server: Running) -> None:
    """A client that does not wait for answers fills no memory with questions."""
    assert b" 429 " in server.ask(GET * 40)


GET = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


UPGRADE = b"POST / HTTP/1.1\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "body"),
    [
        (b"HEAD / HTTP/1.1\r\n" + LAST + b"\r\n", b""),
        (b"GET / HTTP/1.0\r\n\r\n", b""),
        (b"POST / HTTP/1.1\r\n" + LAST + CHUNKED, b"hello"),
        (UPGRADE + b"content-length: 5\r\n\r\nhello", b"hello"),
        (UPGRADE + CHUNKED, b"hello"),
    ],
)
def test_a_request_of_any_form_is_answered_once(
    server: Running, request_: bytes, body: bytes
) -> None:
    """And the connection ends where it should; an upgrade we do not know is passed over."""
    heard = server.ask(request_)
    assert heard.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-length: %d" % len(body) in heard
    assert heard.partition(b"\r\n\r\n")[2] == body


def test_a_head_has_no_body_and_shifts_no_answer(server: Running) -> None:
    """It has the length of what would have come."""
    with closing(server.connect()) as line:
        line.sendall(HEAD.replace(b"POST", b"HEAD") + b"hello" + HEAD + b"secnd")
        heard = b""
        while not heard.endswith(b"secnd"):
            heard += line.recv(65536)
    assert heard.count(b"content-length: 5\r\n") == 2
    assert b"hello" not in heard


def test_a_head_of_what_would_stream_ends_with_its_head() -> None:
    """The stream behind it hears that nobody listens, and the connection goes on."""
    ended = threading.Event()

    async def stream(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.body", "body": b""})
        ended.set()

    with Running(stream) as server, closing(server.connect()) as line:
        for _ in range(2):
            line.sendall(b"HEAD / HTTP/1.1\r\n\r\n")
            heard = b""
            while not heard.endswith(b"\r\n\r\n"):
                heard += line.recv(65536)
            assert heard.startswith(b"HTTP/1.1 200 OK\r\n")
            assert heard.count(b"\r\n\r\n") == 1
            assert ended.wait(60)
            ended.clear()


@pytest.mark.parametrize(
    ("said", "body"),
    [
        (b"1.1\r\n" + LAST, b"3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n"),
        (b"1.0\r\n", b"onetwothree"),
        (b"1.0\r\nconnection: upgrade\r\nupgrade: h2c\r\n", b"onetwothree"),
    ],
)
def test_an_answer_without_a_length_goes_in_chunks(said: bytes, body: bytes) -> None:
    """To an HTTP/1.0 client it ends with the connection, whatever that would like to become."""

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"one", b"", b"two"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"three"})

    with Running(stream) as server:
        heard = server.ask(b"GET / HTTP/" + said + b"\r\n")
    assert heard.partition(b"\r\n\r\n")[2] == body


def test_a_large_body_waits_for_its_reader() -> None:
    """More than the limit is not taken in before somebody wants it; then all of it comes."""
    large = b"y" * 3_000_000
    head = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(large)
    limits = Limits(unread_bytes_max=1024)
    with Running(Echo(), limits) as server, closing(server.connect()) as line:
        line.sendall(head + large)
        assert one(line).endswith(large)


def test_an_application_that_fails_does_not_keep_its_client_waiting() -> None:
    """Without a head the connection is closed; the other connections go on."""
    echo = Echo()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/":
            raise ValueError("a defect")
        await echo(scope, receive, send)

    with Running(app) as server:
        assert server.ask(GET) == b""
        with closing(server.connect()) as line:
            line.sendall(HEAD + b"hello")
            assert one(line).endswith(b"hello")


def test_an_upgrade_is_passed_over_and_the_connection_goes_on(server: Running) -> None:
    """Also where the body comes later than its head."""
    upgrade = HEAD.replace(b"\r\n\r\n", b"\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
    with closing(server.connect()) as line:
        line.sendall(upgrade)
        time.sleep(0.01)  # so that it comes in a piece of its own; nothing depends on it
        for data in (b"first", HEAD + b"secnd", upgrade + b"third"):
            line.sendall(data)
            assert one(line).endswith(data[-5:])
    assert b" 400 " in server.ask(b"CONNECT example.org:443 HTTP/1.1\r\nhost: example.org\r\n\r\n")


def test_a_client_that_asks_whether_to_go_on_is_told(server: Running) -> None:
    """As curl waits for it, a second long, before it sends a large body."""
    with closing(server.connect()) as line:
        line.sendall(HEAD.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n"))
        assert line.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(b"hello")
        assert one(line).endswith(b"hello")


def test_a_client_that_is_told_no_need_not_send_its_body() -> None:
    """Then what it sends next would be taken for the body: the connection ends."""

    async def refusing(scope: Any, receive: Any, send: Any) -> None:
        length = (b"content-length", b"2")
        await send({"type": "http.response.start", "status": 413, "headers": [length]})
        await send({"type": "http.response.body", "body": b"no"})

    with Running(refusing) as server:
        heard = server.ask(HEAD.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n"))
    assert heard.startswith(b"HTTP/1.1 413 ")
    assert heard.endswith(b"no")


@pytest.mark.parametrize("moment", ["body", "answer"])
def test_a_client_that_leaves_ends_its_request(moment: str) -> None:
    """While it sends and while it waits: the application is cancelled and can clean up."""
    begun, cleaned = threading.Event(), threading.Event()

    async def waiting(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        try:
            while True:
                await receive() if moment == "body" else await asyncio.sleep(60)
        finally:
            cleaned.set()

    with Running(waiting) as server:
        with closing(server.connect()) as line:
            line.sendall(HEAD + b"he" if moment == "body" else HEAD + b"hello")
            assert begun.wait(60)
        assert cleaned.wait(60)


def test_a_header_cannot_be_split_and_a_promise_is_kept() -> None:
    """A defect of the application ends the connection, and never starts a second answer."""
    for headers, body in (
        ([(b"x-a", b"b\r\n\r\nHTTP/1.1 200 OK")], b""),
        ([(b"x-a", b"b\nx-evil: c")], b""),
        ([(b"x-a", b"b\0c")], b""),
        ([(b"content-length", b"3")], b"four"),
        ([(b"content-length", b"9")], b"less"),
    ):

        async def wrong(
            scope: Any, receive: Any, send: Any, h: Any = headers, b: Any = body
        ) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": h})
            await send({"type": "http.response.body", "body": b})

        with Running(wrong) as server:
            assert server.ask(GET) == b""


def test_a_stop_lets_an_answer_end_and_idle_connections_go() -> None:
    """New connections find nobody; the answer under way is whole."""
    begun, go_on = threading.Event(), threading.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await asyncio.to_thread(go_on.wait, 20)
        length = (b"content-length", b"4")
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": b"done"})

    with Running(slow) as server:
        idle, busy = server.connect(), server.connect()
        with closing(idle), closing(busy):
            busy.sendall(GET)
            assert begun.wait(60)
            server.stop()
            assert rest(idle) == b""
            with pytest.raises(OSError, match="refused"):
                server.connect()
            go_on.set()
            assert rest(busy).endswith(b"done")
