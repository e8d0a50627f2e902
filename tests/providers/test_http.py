"""What the shared HTTP part does with replies that are not plain 2xx."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator

import pytest
from yarl import URL

from tests.fakes.openai_server import FakeOpenAI, Raw
from twotier.domain.message import Passed
from twotier.errors import StreamBrokenError, TierUnavailableError, TwotierError, UpstreamError
from twotier.protocols.openai_chat import read_error
from twotier.providers.base import Ask, Deadlines, Reply, all_of
from twotier.providers.http import Transport, post
from twotier.providers.trouble import ERROR_BODY_BYTES_MAX

ASK = Ask(
    b'{"messages": []}',
    stream=True,
    deadlines=Deadlines(1, 2, 2, 4),
    passed=Passed(headers={"x-a": "b"}),
)


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as served:
        yield served


async def posted(base_url: str) -> tuple[Reply, bytes]:
    async with Transport() as transport:
        reply = await post(
            transport,
            URL(f"{base_url}/v1/chat/completions"),
            ask=ASK,
            headers={"Content-Type": "application/json"},
            read_error=read_error,
        )
        body = await all_of(reply)
        await reply.close()
        return reply, body


def error_of(server: FakeOpenAI, raw: Raw) -> TwotierError:
    server.queue(raw)
    with pytest.raises(TwotierError) as caught:
        asyncio.run(posted(server.base_url))
    return caught.value


def test_a_reply_shows_status_headers_and_body(server: FakeOpenAI) -> None:
    server.queue(Raw((b"ab", b"cd"), status=201, headers={"X-Thing": "Yes"}))
    reply, body = asyncio.run(posted(server.base_url))
    assert (reply.status, body, reply.headers["x-thing"]) == (201, b"abcd", "Yes")
    assert server.headers[0]["x-a"] == "b"


def test_a_redirect_is_an_error_and_is_not_followed(server: FakeOpenAI) -> None:
    """The key would travel to wherever it points."""
    error = error_of(server, Raw((), status=302, headers={"Location": "/v1/chat/completions"}))
    assert isinstance(error, UpstreamError)
    assert error.upstream_status == 302
    assert len(server.bodies) == 1


def test_a_compressed_answer_is_refused(server: FakeOpenAI) -> None:
    zipped = Raw((gzip.compress(b"{}"),), headers={"Content-Encoding": "gzip"})
    error = error_of(server, zipped)
    assert isinstance(error, UpstreamError)
    assert error.started
    assert "compress" in error.message


def test_of_a_huge_error_body_only_the_beginning_is_read(server: FakeOpenAI) -> None:
    piece = b"x" * 4096
    error = error_of(server, Raw((piece,) * (4 * ERROR_BODY_BYTES_MAX // 4096), status=400))
    assert isinstance(error, UpstreamError)
    assert error.upstream_status == 400


def test_an_error_body_that_hangs_still_gives_the_status(server: FakeOpenAI) -> None:
    error = error_of(server, Raw((b"half",), status=400, headers={"Content-Length": "100"}))
    assert isinstance(error, UpstreamError)
    assert error.upstream_status == 400


def test_a_head_that_never_ends_is_refused(server: FakeOpenAI) -> None:
    error = error_of(server, Raw((), headers={"X-Long": "x" * 100_000}))
    assert isinstance(error, UpstreamError)
    assert error.started


def serve_once(reply: bytes) -> TwotierError:
    """A server that says exactly this and closes."""

    async def scenario() -> TwotierError:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(65536)
            writer.write(reply)
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(TwotierError) as caught:
                await posted(f"http://127.0.0.1:{port}")
        return caught.value

    return asyncio.run(scenario())


@pytest.mark.parametrize("reply", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n", b""])
def test_what_does_not_speak_http_is_an_upstream_error(reply: bytes) -> None:
    error = serve_once(reply)
    assert isinstance(error, UpstreamError)
    assert (error.upstream_status, error.started) == (0, True)


def test_a_body_shorter_than_announced_is_a_broken_stream() -> None:
    error = serve_once(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    assert isinstance(error, StreamBrokenError)


def test_an_error_body_that_breaks_off_still_gives_the_status() -> None:
    error = serve_once(b"HTTP/1.1 429 Slow\r\nContent-Length: 100\r\n\r\nhalf")
    assert isinstance(error, UpstreamError)
    assert error.upstream_status == 429


def test_tls_that_fails_is_an_outage_before_anything_was_sent(server: FakeOpenAI) -> None:
    with pytest.raises(TierUnavailableError, match="TLS failed"):
        asyncio.run(posted(server.base_url.replace("http:", "https:")))
    assert server.headers == []


def test_http_1_0_without_a_length_ends_where_it_ends() -> None:
    """As mlx-lm streams: the dialect's reader, and not HTTP, knows whether that was the end."""

    async def scenario() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(65536)
            writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: a\n\n")
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            return (await posted(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))[1]

    assert asyncio.run(scenario()) == b"data: a\n\n"
