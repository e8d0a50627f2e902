"""A defect of ours: an error in the client's dialect with a name, and nothing of its inside."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.test_openapi import CHECK, DOCUMENT, operations
from tests.ledger.toys import OPUS
from tests.test_tries import WHOLE, World, play
from twotier.dispatch import Answer
from twotier.domain.message import Dialect, Request, Whole
from twotier.domain.task import Caller
from twotier.gateway.app import DIALECT_AT, Gateway
from twotier.gateway.asgi import Message
from twotier.gateway.auth import PrivateDoor
from twotier.gateway.live import Live
from twotier.gateway.models import ModelRoute
from twotier.gateway.refusals import Refusals
from twotier.ledger.book import Book
from twotier.providers.base import Ask, Reply
from twotier.providers.scripted import Answer as Said
from twotier.providers.scripted import Scripted
from twotier.proving import Asks

SECRET = "the inside of a defect"
TALK = [{"role": "user", "content": "Any news?"}]
BODIES: Mapping[Dialect, dict[str, Any]] = {
    "openai_chat": {"messages": TALK},
    "openai_completions": {"prompt": "Any news?"},
    "openai_embeddings": {"input": "Any news?"},
    "openai_responses": {"input": "Any news?"},
    "anthropic_messages": {"messages": TALK, "max_tokens": 50},
    "anthropic_count": {"messages": TALK},
}
STREAMED = ("openai_chat", "openai_responses", "anthropic_messages")
ENDS = ("[DONE]", "message_stop", "response.completed", 'finish_reason":"stop')
BEGUN = Said(
    (b'data: {"choices":[{"index":0,"delta":{"content":"It begins"}}]}\n\n',),
    {"content-type": "text/event-stream"},
)


class Defective:
    """In the place of everything behind the routes."""

    async def answer(self, request: Request, caller: Caller) -> Answer:
        raise RuntimeError(SECRET)


class Breaking(Scripted):
    """A provider with a defect: in `ask`, or once its script is over."""

    def __init__(self, *, begins: bool) -> None:
        super().__init__([BEGUN])
        self.begins = begins
        self.closed: list[bool] = []

    async def ask(self, ask: Ask) -> Reply:
        if not self.begins:
            raise RuntimeError(SECRET)
        return _Breaking(await super().ask(ask), self.closed)


class _Breaking:
    def __init__(self, reply: Reply, closed: list[bool]) -> None:
        self._reply, self._closed = reply, closed
        self.status, self.headers = reply.status, reply.headers

    async def read(self) -> bytes:
        if piece := await self._reply.read():
            return piece
        raise RuntimeError(SECRET)

    async def close(self) -> None:
        self._closed.append(True)


class Unsettled(Scripted):
    """A ledger that can take no row any more once an answer has begun; `live` is ended then, and
    the upstream says nothing more.
    """

    def __init__(self, said: Said | Whole, book: Book, live: Live | None) -> None:
        super().__init__([said])
        self.book, self.live = book, live

    async def ask(self, ask: Ask) -> Reply:
        return _Unsettled(await super().ask(ask), self)


class _Unsettled:
    def __init__(self, reply: Reply, way: Unsettled) -> None:
        self._reply, self._way = reply, way
        self.status, self.headers, self.close = reply.status, reply.headers, reply.close

    async def read(self) -> bytes:
        if piece := await self._reply.read():
            return piece
        await self._way.book.close()
        if self._way.live is not None:
            self._way.live.end()
            await asyncio.sleep(60)
        return b""


class Heard:
    """What came of one request."""

    def __init__(self, messages: list[Message]) -> None:
        first, *rest = messages
        self.status: int = first["status"]
        self.headers = {name.decode(): value.decode() for name, value in first["headers"]}
        self.text = b"".join(one.get("body", b"") for one in rest).decode()
        self.ended = not rest[-1].get("more_body", False)
        self.heads = sum(one["type"] == "http.response.start" for one in messages)


def on_their_way() -> Live:
    """The answers of a process."""
    return Live(60.0, Refusals(lambda: "req_7"))


async def asked(
    asks: Asks, dialect: Dialect, *, stream: bool = False, live: Live | None = None
) -> Heard:
    """One request through the table of paths."""
    live = live or on_their_way()
    routes = {
        ("POST", path): ModelRoute(one, asks, live=live, body_bytes_max=10_000)
        for path, one in DIALECT_AT.items()
    }
    gateway = Gateway(PrivateDoor(), routes, refusals=live.refusals)
    (path,) = (path for path, one in DIALECT_AT.items() if one == dialect)
    body = {"model": "local", **BODIES[dialect], **({"stream": True} if stream else {})}
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await gateway(scope, receive, send)
    assert live.under_way == 0
    return Heard(sent)


def told(heard: Heard, dialect: Dialect) -> None:
    """A 500 as this path promises its errors, that names its request and tells nothing else."""
    (path,) = (path for path, one in DIALECT_AT.items() if one == dialect)
    promised = operations()["POST", path]["responses"]["default"]["$ref"].rpartition("/")[2]
    document = json.loads(heard.text)
    assert heard.status == 500
    assert CHECK.problems(document, DOCUMENT["components"]["schemas"][promised]) == ()
    assert heard.headers["x-twotier-request"] == "req_7"
    assert document["error"]["type"] == "api_error"
    assert "see the log" in document["error"]["message"]
    assert SECRET not in heard.text
    assert "Traceback" not in heard.text
    if dialect.startswith("anthropic"):
        assert (document["type"], document["request_id"]) == ("error", "req_7")


def test_every_dialect_has_a_body_here() -> None:
    assert set(BODIES) == set(DIALECT_AT.values())


@pytest.mark.parametrize("dialect", sorted(BODIES))
def test_a_defect_is_a_500_in_the_clients_dialect(
    tmp_path: Path, dialect: Dialect, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has all of it, under the same name."""

    async def story(_: World) -> None:
        told(await asked(Defective(), dialect), dialect)

    with caplog.at_level(logging.ERROR, "twotier.gateway"):
        play(tmp_path, story)
    (record,) = [one for one in caplog.records if one.message == "defect"]
    assert record.__dict__["request"] == "req_7"
    assert SECRET in caplog.text


@pytest.mark.parametrize("dialect", STREAMED)
def test_a_tier_with_a_defect_is_one_too(tmp_path: Path, dialect: Dialect) -> None:
    """Through all of the path: also of a stream, as long as nothing of it has gone out."""

    async def story(world: World) -> None:
        world.silence(Breaking(begins=False))
        for stream in (False, True):
            told(await asked(world.dispatch, dialect, stream=stream), dialect)

    play(tmp_path, story)


@pytest.mark.parametrize("dialect", STREAMED)
def test_a_stream_that_has_begun_ends_in_an_error_of_its_dialect(
    tmp_path: Path, dialect: Dialect, caplog: pytest.LogCaptureFixture
) -> None:
    """One head, the beginning, an error that says so; no good end, and its row is no success."""
    broken = Breaking(begins=True)

    async def story(world: World) -> None:
        world.silence(broken)
        heard = await asked(world.dispatch, dialect, stream=True)
        assert (heard.status, heard.heads, heard.ended) == (200, 1, True)
        assert "It begins" in heard.text
        last = heard.text.strip().rpartition("\n\n")[2]
        data = json.loads(last.rpartition("data: ")[2])
        assert "see the log" in json.dumps(data)
        assert SECRET not in heard.text
        assert not any(end in heard.text for end in ENDS)
        if dialect == "anthropic_messages":
            assert last.startswith("event: error\n")
            assert (data["type"], data["error"]["type"]) == ("error", "api_error")
        await world.book.flush()
        with closing(sqlite3.connect(world.path)) as file:
            rows = file.execute("SELECT outcome, error FROM usage").fetchall()
        assert [row[0] for row in rows] == ["error"]
        (record,) = [one for one in caplog.records if one.message == "defect"]
        assert record.__dict__["request"] == heard.headers["x-twotier-request"]

    with caplog.at_level(logging.ERROR, "twotier.gateway"):
        play(tmp_path, story)
    assert broken.closed == [True]


@pytest.mark.parametrize("stream", [False, True])
def test_who_has_a_whole_answer_hears_nothing_of_its_row(
    tmp_path: Path, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """It cannot be settled; the answer is whole all the same, and has one head."""

    async def story(world: World) -> None:
        world.local_price = OPUS
        world.silence(Unsettled(WHOLE, world.book, None))
        heard = await asked(world.dispatch, "openai_chat", stream=stream)
        assert (heard.status, heard.heads, heard.ended) == (200, 1, True)
        assert ("[DONE]" in heard.text) is stream
        assert "error" not in heard.text
        assert not caplog.records

    with caplog.at_level(logging.ERROR, "twotier.gateway"):
        play(tmp_path, story)


@pytest.mark.parametrize("dialect", STREAMED)
def test_a_stream_that_is_ended_says_so_though_its_row_cannot_be_settled(
    tmp_path: Path, dialect: Dialect
) -> None:
    """A stop while the disk is full: an error where the stream stands, and no second head."""

    async def story(world: World) -> None:
        world.local_price = OPUS
        live = on_their_way()
        world.silence(Unsettled(BEGUN, world.book, live))
        heard = await asked(world.dispatch, dialect, stream=True, live=live)
        assert (heard.status, heard.heads, heard.ended) == (200, 1, True)
        assert "It begins" in heard.text
        assert "error" in heard.text.strip().rpartition("\n\n")[2]
        assert not any(end in heard.text for end in ENDS)

    play(tmp_path, story)
