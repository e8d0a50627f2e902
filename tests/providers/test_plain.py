"""Our own client over real sockets, on both loops: what it sends, keeps, sends again and leaves."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest
from msgspec.structs import replace
from yarl import URL

from tests.fakes.openai_server import FakeOpenAI, Raw
from tests.providers.raw_upstream import ASK, LOOPS, OK, RawUpstream, answering, ask, run, serving
from tests.providers.raw_upstream import whole as whole_body
from tests.providers.reading import chunks
from twotier.domain.message import Passed
from twotier.errors import (
    DeadlineError,
    StreamBrokenError,
    TierUnavailableError,
    TwotierError,
    UpstreamError,
)
from twotier.protocols.openai_chat import read_error
from twotier.providers.base import Deadlines
from twotier.providers.http import Transport, post
from twotier.providers.plain import STALE_SECONDS_MAX
from twotier.providers.plain_connection import HEAD_BYTES_MAX
from twotier.providers.plain_pool import Pool

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(params=list(LOOPS))
def loop(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


async def bodies(*responses: bytes, times: int) -> tuple[list[bytes], RawUpstream]:
    """Ask so often, one after another, a server whose connections answer these in turn."""
    async with serving(answering(*responses)) as upstream, Pool() as pool:
        return [await whole_body(pool, upstream) for _ in range(times)], upstream


async def error_of(*responses: bytes, times: int = 1) -> tuple[TwotierError, RawUpstream]:
    """The error of the last of so many requests."""
    async with serving(answering(*responses)) as upstream, Pool() as pool:
        for _ in range(times - 1):
            await whole_body(pool, upstream)
        with pytest.raises(TwotierError) as caught:
            await whole_body(pool, upstream)
        return caught.value, upstream


def test_what_is_sent_is_one_plain_request(loop: str) -> None:
    _, upstream = run(loop, bodies(OK, times=1))
    assert upstream.requests == [
        b"POST /v1/chat/completions HTTP/1.1\r\n"
        + f"Host: 127.0.0.1:{upstream.url.port}\r\n".encode()
        + b'Content-Type: application/json\r\nContent-Length: 16\r\n\r\n{"messages": []}'
    ]


@pytest.mark.parametrize(
    "response",
    [
        OK,
        CHUNKED + b"1;x=y\r\no\r\n1\r\nk\r\n0\r\nTrailer: t\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 103 Early\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        CHUNKED + b"2 \r\nok\r\n0\r\n\r\n",
    ],
    ids=["length", "chunked", "1.0-keep-alive", "100-continue", "bare-lf", "chunk-spaces"],
)
def test_a_finished_connection_is_used_again(loop: str, response: bytes) -> None:
    answers, upstream = run(loop, bodies(response, response, response, times=3))
    assert answers == [b"ok"] * 3
    assert upstream.connections == 1


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\nContent-Len",
        OK + OK,
    ],
    ids=["close", "1.0", "1.0-until-close", "until-close", "half-a-second", "a-second"],
)
def test_a_connection_that_cannot_be_kept_is_not(loop: str, response: bytes) -> None:
    """What an upstream says beyond its answer must not become the answer to the next request."""
    answers, upstream = run(loop, bodies(response, times=2))
    assert answers == [b"ok"] * 2
    assert upstream.connections == 2


def test_a_204_has_no_body_and_keeps_its_connection(loop: str) -> None:
    empty = b"HTTP/1.1 204 None\r\n\r\n"
    answers, upstream = run(loop, bodies(empty, empty, times=2))
    assert (answers, upstream.connections) == ([b"", b""], 1)


def test_a_dead_pooled_connection_is_replaced_once(loop: str) -> None:
    """The server takes the second request of a connection and closes without a word."""
    answers, upstream = run(loop, bodies(OK, b"", times=2))
    assert answers == [b"ok"] * 2
    assert (upstream.connections, len(upstream.requests)) == (2, 3)


def test_a_paid_request_is_never_sent_twice(loop: str) -> None:
    """It has a connection of its own, which cannot be stale; a death is an error at once."""

    async def scenario() -> tuple[TwotierError, RawUpstream]:
        paid = replace(ASK, paid=True)
        async with serving(answering(OK, b"")) as upstream, Pool() as pool:
            await whole_body(pool, upstream)
            assert await whole_body(pool, upstream, paid) == b"ok"
            assert upstream.connections == 2
        async with serving(answering(b"")) as dead, Pool() as pool:
            with pytest.raises(TwotierError) as caught:
                await whole_body(pool, dead, paid)
            return caught.value, dead

    error, upstream = run(loop, scenario())
    assert isinstance(error, UpstreamError)
    assert error.started
    assert len(upstream.requests) == 1


def test_the_replacement_is_not_replaced(loop: str) -> None:
    async def serve(
        upstream: RawUpstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while await upstream.request(reader) and len(upstream.requests) == 1:
            writer.write(OK)

    async def scenario() -> tuple[TwotierError, int, int]:
        async with serving(serve) as upstream, Pool() as pool:
            await whole_body(pool, upstream)
            with pytest.raises(TwotierError) as caught:
                await whole_body(pool, upstream)
            return caught.value, upstream.connections, len(upstream.requests)

    error, connections, requests = run(loop, scenario())
    assert isinstance(error, UpstreamError)
    assert (error.upstream_status, error.started) == (0, True)
    assert (connections, requests) == (2, 3)


@pytest.mark.parametrize("beginning", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_after_a_single_byte_nothing_is_sent_again(loop: str, beginning: bytes) -> None:
    error, upstream = run(loop, error_of(OK, beginning, times=2))
    assert isinstance(error, UpstreamError)
    assert (error.started, upstream.connections) == (True, 1)


def test_a_server_that_thought_and_then_died_is_not_asked_again(loop: str) -> None:
    """It had begun: a second time would cost a second time."""

    async def serve(
        upstream: RawUpstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await upstream.request(reader)
        writer.write(OK)
        await upstream.request(reader)
        await asyncio.sleep(STALE_SECONDS_MAX + 0.05)

    async def scenario() -> tuple[TwotierError, int]:
        async with serving(serve) as upstream, Pool() as pool:
            await whole_body(pool, upstream)
            with pytest.raises(TwotierError) as caught:
                await whole_body(pool, upstream)
            return caught.value, len(upstream.requests)

    error, requests = run(loop, scenario())
    assert isinstance(error, UpstreamError)
    assert (error.started, requests) == (True, 2)


def test_a_new_connection_that_hangs_up_is_not_tried_again(loop: str) -> None:
    error, upstream = run(loop, error_of(b""))
    assert isinstance(error, UpstreamError)
    assert (error.started, upstream.connections) == (True, 1)


def test_a_server_that_died_with_our_request_may_have_begun(loop: str) -> None:
    """The second try finds nobody; still the first was sent, so it is no mere outage."""

    async def serve(
        upstream: RawUpstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await upstream.request(reader)
        writer.write(OK)
        await upstream.request(reader)
        upstream.stop()

    async def scenario() -> TwotierError:
        async with serving(serve) as upstream, Pool() as pool:
            await whole_body(pool, upstream)
            with pytest.raises(TwotierError) as caught:
                await whole_body(pool, upstream)
            return caught.value

    error = run(loop, scenario())
    assert isinstance(error, UpstreamError)
    assert error.started


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        CHUNKED + b"4\r\nhalf\r\n",
        CHUNKED + b"64\r\nhalf",
        CHUNKED + b"4\r\nhalf\r\nno length\r\n",
    ],
    ids=["length", "no-last-chunk", "in-a-chunk", "garbage"],
)
def test_half_a_body_is_a_broken_stream(loop: str, response: bytes) -> None:
    assert isinstance(run(loop, error_of(response))[0], StreamBrokenError)


def test_what_came_before_the_break_is_read_first(loop: str) -> None:
    async def scenario() -> bytes:
        async with serving(answering(CHUNKED + b"4\r\nhalf\r\n")) as upstream, Pool() as pool:
            pieces = chunks(await ask(pool, upstream))
            seen = await anext(pieces)
            with pytest.raises(StreamBrokenError):
                await anext(pieces)
        return seen

    assert run(loop, scenario()) == b"half"


def test_a_reset_is_no_end_even_where_the_end_is_the_close(loop: str) -> None:
    async def serve(
        upstream: RawUpstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await upstream.request(reader)
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nhalf")
        await seen.wait()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def scenario() -> None:
        async with serving(serve) as upstream, Pool() as pool:
            pieces = chunks(await ask(pool, upstream))
            assert await anext(pieces) == b"half"
            seen.set()
            with pytest.raises(StreamBrokenError):
                await anext(pieces)

    seen = asyncio.Event()
    run(loop, scenario())


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000 + b"Content-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 20_000 + b"\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 10 * HEAD_BYTES_MAX,
        b"HTTP/1.1 100 Continue\r\n\r\n" * (HEAD_BYTES_MAX // 10),
        b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: ws\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    ],
    ids=["lines", "line", "endless", "100s", "101", "both-lengths", "two-lengths"],
)
def test_a_head_beyond_measure_is_refused(loop: str, head: bytes) -> None:
    error, _ = run(loop, error_of(head))
    assert isinstance(error, UpstreamError)
    assert (error.upstream_status, error.started) == (0, True)


def test_a_trailer_without_end_is_a_broken_stream(loop: str) -> None:
    endless = CHUNKED + b"4\r\nhalf\r\n0\r\nX-A: " + b"b" * 10 * HEAD_BYTES_MAX
    assert isinstance(run(loop, error_of(endless))[0], StreamBrokenError)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: b", "a\nb", "a\rb", "a\0b"])
def test_a_header_cannot_end_its_line(loop: str, value: str) -> None:
    async def scenario() -> int:
        async with serving(answering(OK)) as upstream, Pool() as pool:
            with pytest.raises(TierUnavailableError, match="line break"):
                await ask(pool, upstream, replace(ASK, passed=Passed(headers={"x-beta": value})))
            return upstream.connections

    assert run(loop, scenario()) == 0


async def silent(
    upstream: RawUpstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await upstream.request(reader)
    await upstream.until_left(reader)


async def stalling(
    upstream: RawUpstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await upstream.request(reader)
    writer.write(CHUNKED + b"4\r\nhalf\r\n")
    await upstream.until_left(reader)


def test_a_cancelled_ask_closes_at_once(loop: str) -> None:
    async def scenario() -> None:
        async with serving(silent) as upstream, Pool() as pool:
            async with asyncio.TaskGroup() as group:
                asking = group.create_task(ask(pool, upstream))
                await upstream.asked.wait()
                asking.cancel()
            async with asyncio.timeout(60):
                await upstream.left.wait()

    run(loop, scenario())


def test_a_reply_closed_before_its_end_closes_at_once_and_is_not_pooled(loop: str) -> None:
    async def scenario() -> int:
        async with serving(stalling) as upstream, Pool() as pool:
            for _ in range(2):
                upstream.left.clear()
                reply = await ask(pool, upstream)
                async for _ in chunks(reply):
                    break
                await reply.close()
                async with asyncio.timeout(60):
                    await upstream.left.wait()
            return upstream.connections

    assert run(loop, scenario()) == 2


def test_a_late_upstream_is_left(loop: str) -> None:
    async def scenario() -> None:
        async with serving(silent) as upstream, Pool() as pool:
            with pytest.raises(DeadlineError, match="first token time"):
                await ask(pool, upstream, replace(ASK, deadlines=Deadlines(1, 0.1, 1, 2)))
            async with asyncio.timeout(60):
                await upstream.left.wait()

    run(loop, scenario())


def test_leaving_the_pool_breaks_what_is_still_read(loop: str) -> None:
    """Nobody waits for ever for a reply whose transport is gone."""

    async def scenario() -> None:
        async with serving(stalling) as upstream:
            async with Pool() as pool:
                pieces = chunks(await ask(pool, upstream))
                assert await anext(pieces) == b"half"
            with pytest.raises(StreamBrokenError):
                await anext(pieces)

    run(loop, scenario())


def test_a_fast_upstream_waits_for_a_slow_reader(loop: str) -> None:
    """Of 64 MB little is on its way while nobody reads; then all of it arrives."""
    total = 64 * 1024 * 1024
    sent = 0

    async def serve(
        upstream: RawUpstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal sent
        await upstream.request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while sent < total:
            writer.write(bytes(65536))
            sent += 65536
            await writer.drain()

    async def stalled() -> int:
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.05)
        return sent

    async def scenario() -> tuple[int, int]:
        async with serving(serve) as upstream, Pool() as pool:
            reply = await ask(pool, upstream)
            async with asyncio.timeout(60):
                early = await stalled()
            return early, sum([len(chunk) async for chunk in chunks(reply)])

    early, received = run(loop, scenario())
    assert early < total // 3  # the kernel's own buffers, some megabytes
    assert received == total


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_names_and_ipv6_literals_are_places_too(loop: str, host: str) -> None:
    async def scenario() -> bytes:
        async with serving(answering(OK), host=host) as upstream, Pool() as pool:
            assert await whole_body(pool, upstream) == b"ok"
            return upstream.requests[0]

    shown = f"[{host}]" if ":" in host else host
    try:
        assert f"\r\nHost: {shown}:".encode() in run(loop, scenario())
    except OSError as exc:
        pytest.skip(f"this machine has no {host}: {exc}")


def test_a_name_and_password_in_the_address_still_become_a_header() -> None:
    """Rare enough for the other client."""

    async def asked(base_url: str) -> None:
        url = URL(f"{base_url}/v1/chat/completions").with_user("u").with_password("p")
        async with Transport() as transport:
            reply = await post(transport, url, ask=ASK, headers={}, read_error=read_error)
            await reply.close()

    with FakeOpenAI() as server:
        server.queue(Raw(()))
        asyncio.run(asked(server.base_url))
        assert server.headers[0]["authorization"] == "Basic dTpw"
