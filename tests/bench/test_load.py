"""The bench measures what it says: its client sees whole answers, its upstream gives them."""

from __future__ import annotations

import asyncio
import json

import pytest

from bench.bodies import AGENT_BYTES, agent, small
from bench.load import WORD, Connection, Load, LoadError, Run, Target, check, drive
from bench.upstream import CHUNKS, Upstream
from twotier.protocols import INBOUND


async def ask(body: bytes) -> bytes:
    """One request to an upstream, the answer's bytes."""
    loop = asyncio.get_running_loop()
    async with await loop.create_server(Upstream, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
        answer = await connection.ask(Target(port).request(body))
        connection.close()
        return answer


def test_the_client_waits_for_the_end_of_a_stream() -> None:
    """A chunk that happens to end a packet is not the end: all fifty are counted."""
    answer = asyncio.run(ask(small("local", stream=True)))
    assert answer.count(WORD) == CHUNKS
    assert b"data: [DONE]" in answer


def test_requests_share_kept_connections_and_none_is_lost() -> None:
    """As many latencies as requests, over fewer connections."""

    async def scenario() -> int:
        loop = asyncio.get_running_loop()
        async with await loop.create_server(Upstream, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            run = await drive(Target(port), small("local"), Load(24, 4))
        return len(run.latencies_seconds)

    assert asyncio.run(scenario()) == 24


def test_requests_that_warm_do_not_count() -> None:
    """Neither their latencies, nor their CPU time, nor their number."""
    watched: list[float] = []

    def watch() -> float:
        watched.append(float(len(watched)))
        return watched[-1]

    async def scenario() -> Run:
        loop = asyncio.get_running_loop()
        async with await loop.create_server(Upstream, "127.0.0.1", 0) as server:
            target = Target(server.sockets[0].getsockname()[1])
            body, load = small("local", stream=True), Load(3, warm=5, words=CHUNKS)
            return await drive(target, body, load, watch=watch)

    run = asyncio.run(scenario())
    assert len(run.latencies_seconds) == len(run.firsts_seconds) == 3
    assert run.words == 3 * CHUNKS
    assert run.cpu_seconds == 1.0


def test_an_answer_that_lost_a_word_is_no_figure() -> None:
    """A gateway that drops chunks would else look like a fast gateway."""
    whole = b'HTTP/1.1 200 OK\r\n\r\n10\r\n"word 1" "word 2\r\n0\r\n\r\n'
    check(whole, 2)
    with pytest.raises(LoadError, match="2 words of 3"):
        check(whole, 3)


def test_a_word_cut_by_frames_is_counted() -> None:
    """Gateways cut bodies where their buffers end."""
    check(b'HTTP/1.1 200 OK\r\n\r\n3\r\n"wo\r\n5\r\nrd 1"\r\n0\r\n\r\n', 1)


def test_a_refusal_is_no_figure() -> None:
    """A gateway that refuses fast would else look like a fast gateway."""

    class Refusing(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.write(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n")

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with await loop.create_server(Refusing, "127.0.0.1", 0) as server:
            await drive(Target(server.sockets[0].getsockname()[1]), small("local"), Load(1))

    with pytest.raises(ExceptionGroup) as caught:
        asyncio.run(scenario())
    assert caught.group_contains(LoadError, match="401")


def test_the_agent_request_is_as_long_as_it_says_and_readable() -> None:
    """About 83 KB, with the tools and the turns that make it expensive."""
    body = agent("local")
    assert abs(len(body) - AGENT_BYTES) < AGENT_BYTES * 0.02
    read = INBOUND["openai_chat"].read_request(body)
    assert read.tools == 16
    assert len(json.loads(body)["messages"]) > 40
