"""One connection, fed by hand: any cut of the bytes gives the same answer, and nothing piles up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from httptools import HttpParserError

from twotier.providers import plain
from twotier.providers.base import Deadlines
from twotier.providers.plain_answer import UNREAD_BYTES_MAX, Answer
from twotier.providers.plain_connection import HEAD_LINES_MAX, Connection

CHUNKED = (
    b"HTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: Chunked\r\n"
    b"X-Twice: a\r\nX-Twice: b\r\n\r\n"
    b"6;ext=1\r\ndata: \r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
)
LENGTH = b"HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\ndata: 0123456789"
UNTIL_CLOSE = b"HTTP/1.0 200 OK\r\nContent-Type: x\r\n\r\ndata: 0123456789"
BODY = b"data: 0123456789"
T = TypeVar("T")


class Wire(asyncio.Transport):
    """A transport that only notes what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.unsent_bytes = 0
        self.closed = False
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Shelf:
    """A home that notes what comes back."""

    def __init__(self) -> None:
        self.given_back: list[Connection] = []

    def opened(self, connection: Connection) -> None: ...

    def give_back(self, connection: Connection) -> None:
        self.given_back.append(connection)

    def forget(self, connection: Connection) -> None: ...


class Asked:
    """A connection with one question sent."""

    def __init__(self) -> None:
        self.wire, self.shelf = Wire(), Shelf()
        self.connection = Connection(("h", 80), self.shelf)
        self.connection.connection_made(self.wire)
        self.answer = self.ask()

    def ask(self) -> Answer:
        sent_at = asyncio.get_running_loop().time()
        return self.connection.ask(b"?", deadlines=Deadlines(1, 1, 1, 1), sent_at=sent_at)

    def feed(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.connection.data_received(piece)


def run(scenario: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(scenario)


async def body_of(answer: Answer) -> bytes:
    await answer.head()
    body = b""
    while piece := await answer.read():
        body += piece
    return body


@pytest.mark.parametrize("response", [CHUNKED, LENGTH], ids=["chunked", "length"])
def test_any_cut_of_the_bytes_gives_the_same_answer(response: bytes) -> None:
    async def scenario() -> None:
        single = tuple(response[at : at + 1] for at in range(len(response)))
        cuts = [(response[:at], response[at:]) for at in range(1, len(response))]
        for pieces in [single, *cuts]:
            asked = Asked()
            asked.feed(*pieces)
            assert (await body_of(asked.answer), asked.answer.status) == (BODY, 200)
            assert asked.shelf.given_back == [asked.connection]
            assert asked.answer.fields.get(b"x-twice", b"b") == b"b"
            assert b"trailer" not in asked.answer.fields

    run(scenario())


@pytest.mark.parametrize("response", [CHUNKED, LENGTH], ids=["chunked", "length"])
def test_no_proper_beginning_is_a_whole_answer(response: bytes) -> None:
    async def scenario() -> None:
        for at in range(len(response)):
            asked = Asked()
            asked.feed(*[response[:at]] if at else [])
            asked.connection.eof_received()
            asked.connection.connection_lost(None)
            with pytest.raises(EOFError):
                await body_of(asked.answer)
            assert not asked.shelf.given_back

    run(scenario())


def test_a_body_that_ends_with_its_connection_ends_cleanly() -> None:
    async def scenario() -> None:
        asked = Asked()
        asked.feed(UNTIL_CLOSE)
        asked.connection.eof_received()
        asked.connection.connection_lost(None)
        assert await body_of(asked.answer) == BODY
        assert not asked.shelf.given_back

    run(scenario())


def test_reading_pauses_while_too_much_is_unread() -> None:
    async def scenario() -> None:
        asked = Asked()
        asked.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n")
        asked.feed(bytes(UNREAD_BYTES_MAX))
        states = [asked.wire.reading]
        asked.feed(b"x")
        states.append(asked.wire.reading)
        assert len(await asked.answer.read()) == UNREAD_BYTES_MAX + 1
        states.append(asked.wire.reading)
        assert states == [True, False, True]

    run(scenario())


def test_a_whole_answer_frees_its_connection_before_it_is_read() -> None:
    """Also a paused one: whoever asks next must be heard."""

    async def scenario() -> None:
        asked = Asked()
        size = UNREAD_BYTES_MAX + 1
        asked.feed(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size, bytes(size))
        assert asked.wire.reading
        assert asked.shelf.given_back == [asked.connection]
        asked.answer.close()
        assert not asked.wire.closed

    run(scenario())


def test_an_answer_before_the_request_was_sent_ends_the_connection() -> None:
    """The rest of the request would be taken for the beginning of the next one."""

    async def scenario() -> None:
        asked = Asked()
        asked.wire.unsent_bytes = 1
        asked.feed(LENGTH)
        assert await body_of(asked.answer) == BODY
        assert (asked.shelf.given_back, asked.wire.closed) == ([], True)

    run(scenario())


def test_bytes_nobody_asked_for_end_the_connection() -> None:
    async def scenario() -> None:
        asked = Asked()
        asked.feed(LENGTH)
        asked.feed(LENGTH)
        assert asked.wire.closed

    run(scenario())


@pytest.mark.parametrize(("lines", "refused"), [(HEAD_LINES_MAX, False), (1000, True)])
def test_a_head_has_so_many_lines_and_no_more(lines: int, refused: bool) -> None:
    async def scenario() -> None:
        asked = Asked()
        asked.feed(b"HTTP/1.1 204 No\r\n" + b"a: b\r\n" * lines + b"\r\n")
        if refused:
            with pytest.raises(HttpParserError):
                await asked.answer.head()
        else:
            await asked.answer.head()
        assert asked.wire.closed == refused

    run(scenario())


def test_the_second_answer_of_a_connection_is_as_good_as_the_first() -> None:
    async def scenario() -> None:
        asked = Asked()
        asked.feed(CHUNKED)
        for response in (LENGTH, CHUNKED, LENGTH):
            answer = asked.ask()
            asked.feed(response)
            assert await body_of(answer) == BODY
        assert len(asked.shelf.given_back) == 4

    run(scenario())


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_who_leaves_as_the_head_comes_takes_the_connection_along(head: bytes) -> None:
    """Cancelled before it has heard of the head: else the upstream goes on for nobody."""

    async def scenario() -> None:
        asked = Asked()
        waiting = asyncio.create_task(plain.with_head(asked.answer))
        await asyncio.sleep(0)
        asked.feed(head)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert asked.wire.closed

    run(scenario())
