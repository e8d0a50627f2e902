"""The same claims for every provider and its dialect, against a server that really misbehaves."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest

from tests.contract.upstreams import UPSTREAMS, Server, Upstream
from tests.providers.reading import chunks
from twotier.domain.message import Closed, Ended, Event, Failed, Metered, Text
from twotier.errors import (
    DeadlineError,
    StreamBrokenError,
    TierUnavailableError,
    TwotierError,
    UpstreamError,
)
from twotier.protocols import OUTBOUND
from twotier.protocols.assemble import Assembly
from twotier.providers.base import Ask, Provider
from twotier.providers.http import Transport


@pytest.fixture(params=UPSTREAMS, ids=lambda upstream: upstream.name)
def upstream(request: pytest.FixtureRequest) -> Upstream:
    made: Upstream = request.param
    return made


@pytest.fixture
def server(upstream: Upstream) -> Iterator[Server]:
    with upstream.serve() as served:
        yield served


async def events_of(provider: Provider, ask: Ask) -> list[Event]:
    """All events of one answer; raises what provider and reader raise."""
    reader = OUTBOUND[provider.dialect].stream_reader()
    reply = await provider.ask(ask)
    try:
        events = [event async for chunk in chunks(reply) for event in reader.feed(chunk)]
        reader.end()
        return events
    finally:
        await reply.close()


T = TypeVar("T")


def with_provider(
    upstream: Upstream, base_url: str, scenario: Callable[[Provider], Awaitable[T]]
) -> T:
    async def run() -> T:
        async with Transport() as transport:
            return await scenario(upstream.provide(transport, base_url))

    return asyncio.run(run())


def ask_once(upstream: Upstream, base_url: str, ask: Ask) -> list[Event]:
    return with_provider(upstream, base_url, lambda provider: events_of(provider, ask))


def test_an_answer_comes_whole_with_its_usage(upstream: Upstream, server: Server) -> None:
    ask = upstream.ask("say: Grüße 🙂")
    events = ask_once(upstream, server.base_url, ask)
    assembly = Assembly()
    for event in events:
        assembly.fold(event)
    assert assembly.whole().parts == (Text("Grüße 🙂"),)
    assert [type(event) for event in events if isinstance(event, Ended | Closed)] == [Ended, Closed]
    if upstream.model != "m":  # the other fake counts only when asked, as real ones do
        assert [event.final for event in events if isinstance(event, Metered)] == [False, True]


def test_the_base_url_may_end_with_its_version(upstream: Upstream, server: Server) -> None:
    assert Closed() in ask_once(upstream, f"{server.base_url}/v1", upstream.ask())
    assert Closed() in ask_once(upstream, f"{server.base_url}/", upstream.ask())


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize(
    "base_url",
    ["http://127.0.0.1:{free}", "http://host.invalid", "https://127.0.0.1:1", "nonsense"],
)
def test_where_nothing_was_sent_another_tier_may_be_asked(
    upstream: Upstream, base_url: str
) -> None:
    with pytest.raises(TierUnavailableError) as caught:
        ask_once(upstream, base_url.format(free=free_port()), upstream.ask())
    assert upstream.key not in caught.value.message


def test_a_connection_that_is_never_accepted_is_unavailable(upstream: Upstream) -> None:
    """A listening socket with a full backlog: the network says neither yes nor no."""
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        first.connect(deaf.getsockname())
        second.setblocking(False)
        second.connect_ex(deaf.getsockname())
        base_url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(TierUnavailableError, match="did not accept a connection"):
            ask_once(upstream, base_url, upstream.ask(connect=0.3))


def raised(upstream: Upstream, server: Server, trouble: str, **seconds: float) -> TwotierError:
    upstream.trouble(server, trouble)
    with pytest.raises(TwotierError) as caught:
        ask_once(upstream, server.base_url, upstream.ask(**seconds))
    assert upstream.key not in caught.value.message
    assert upstream.key not in repr(caught.value)
    return caught.value


def test_a_server_that_hangs_up_on_a_request_may_have_begun(
    upstream: Upstream, server: Server
) -> None:
    error = raised(upstream, server, "hang-up")
    assert isinstance(error, UpstreamError)
    assert (error.upstream_status, error.started) == (0, True)


def test_an_error_reply_keeps_its_status(upstream: Upstream, server: Server) -> None:
    error = raised(upstream, server, "500")
    assert isinstance(error, UpstreamError)
    assert (error.upstream_status, error.started) == (500, False)


@pytest.mark.parametrize("trouble", ["cut", "clean-cut", "html"])
def test_half_an_answer_is_a_broken_stream(
    upstream: Upstream, server: Server, trouble: str
) -> None:
    assert isinstance(raised(upstream, server, trouble), StreamBrokenError)


def test_an_error_inside_a_good_stream_is_a_failure(upstream: Upstream, server: Server) -> None:
    upstream.trouble(server, "error-in-stream")

    async def scenario(provider: Provider) -> list[Event]:
        reader = OUTBOUND[provider.dialect].stream_reader()
        reply = await provider.ask(upstream.ask())
        return [event async for chunk in chunks(reply) for event in reader.feed(chunk)]

    assert isinstance(with_provider(upstream, server.base_url, scenario)[-1], Failed)


@pytest.mark.parametrize(
    ("trouble", "name"),
    [("silent", "first_token"), ("silent", "total"), ("stall", "idle"), ("stall", "total")],
)
def test_every_wait_has_an_end(upstream: Upstream, server: Server, trouble: str, name: str) -> None:
    """Each alone is far shorter than the others, so none waits for another's timer."""
    error = raised(upstream, server, trouble, **{name: 0.3})
    assert isinstance(error, DeadlineError)
    assert f"{name.replace('_', ' ')} time of 0.3 s" in error.message


def test_an_upstream_sees_its_caller_leave(upstream: Upstream, server: Server) -> None:
    upstream.trouble(server, "stall")

    async def scenario(provider: Provider) -> None:
        reply = await provider.ask(upstream.ask())
        async for _ in chunks(reply):
            break
        await reply.close()
        await asyncio.to_thread(server.wait_for, lambda: has_left(server))

    with_provider(upstream, server.base_url, scenario)


def has_left(server: Server) -> bool:
    bill = getattr(server, "bill", None)
    return bill[0].outcome == "cut" if bill else bool(getattr(server, "left", 0))


def test_a_cancelled_ask_leaves_at_once(upstream: Upstream, server: Server) -> None:
    upstream.trouble(server, "silent")

    async def scenario(provider: Provider) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await provider.ask(upstream.ask())

    with_provider(upstream, server.base_url, scenario)


def test_answers_one_after_another_share_a_connection(upstream: Upstream, server: Server) -> None:
    async def scenario(provider: Provider) -> None:
        for _ in range(3):
            await events_of(provider, upstream.ask())

    with_provider(upstream, server.base_url, scenario)
    assert (len(server.headers), len(server.peers)) == (3, 1)


def test_nothing_but_what_is_needed_is_sent(upstream: Upstream, server: Server) -> None:
    ask_once(upstream, server.base_url, upstream.ask())
    expected = {"host", "content-type", "content-length", "user-agent", "accept-encoding"}
    auth = {"authorization"} if upstream.model == "m" else {"x-api-key", "anthropic-version"}
    assert set(server.headers[0]) - {"connection", "accept"} == expected | auth
    assert server.headers[0]["accept-encoding"] == "identity"


def test_a_slow_client_does_not_make_its_upstream_late(upstream: Upstream, server: Server) -> None:
    """The idle time is the upstream's: while nobody reads, nothing is late."""

    async def scenario(provider: Provider) -> int:
        reply = await provider.ask(upstream.ask(idle=0.1, first_token=0.3))
        seen = 0
        async for _ in chunks(reply):
            seen += 1
            if seen == 1:
                await asyncio.sleep(0.5)
        return seen

    assert with_provider(upstream, server.base_url, scenario) >= 1


def test_the_total_time_counts_also_while_nobody_reads(upstream: Upstream, server: Server) -> None:
    upstream.trouble(server, "stall")

    async def scenario(provider: Provider) -> None:
        reply = await provider.ask(upstream.ask(total=0.3))
        async for _ in chunks(reply):
            await asyncio.sleep(0.4)

    with pytest.raises(DeadlineError, match="total time"):
        with_provider(upstream, server.base_url, scenario)
