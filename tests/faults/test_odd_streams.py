"""F09: streams of the frontier as no documentation has them: odd but whole ones are read.

The others are errors: nothing hangs, and nothing that is not whole looks as if it were.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import aiohttp
import pytest
from aiohttp import web

from tests.fakes.anthropic_api import FakeAnthropic
from tests.faults.crowd import Ask, Seen
from tests.faults.proxy import Plan
from tests.faults.world import World, world

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DIALECTS = ("messages", "chat", "responses")
EVENTS = "text/event-stream"
STOP = re.compile(rb"event: message_stop\ndata: [^\n]*\n\n")


@dataclass(frozen=True, slots=True)
class Odd:
    """What is done to a good stream, and whether it is still one."""

    name: str
    whole: bool
    content_type: str = EVENTS

    def bent(self, good: bytes) -> bytes:
        """The stream as it is sent."""
        bent = BENT[self.name](good)
        assert (bent == good) is (self.name == "as it is"), self.name
        return bent


ERROR = b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}'
BENT: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda good: good,
    "bom": lambda good: b"\xef\xbb\xbf" + good,
    "crlf": lambda good: good.replace(b"\n", b"\r\n"),
    "cr": lambda good: good.replace(b"\n", b"\r"),
    "comments": lambda good: b": hello\n\n" + good.replace(b"\n\n", b"\n\n: still here\n\n"),
    "unknown events": lambda good: b'event: news\ndata: {"type":"news","a":1}\n\n' + good,
    "a megabyte of comment": lambda good: b": " + b"x" * 1_000_000 + b"\n\n" + good,
    "no stop": lambda good: STOP.sub(b"", good),
    "half an event": lambda good: good[:-150],
    "a word that is no JSON": lambda good: good.replace(
        b"content_block_delta\ndata: {", b"content_block_delta\ndata: {x", 1
    ),
    "nothing": lambda _: b"",
    "a NUL": lambda good: good.replace(b"data: {", b"data: \0{", 1),
    "JSON of another kind": lambda _: b'{"type":"message","content":[]}',
    "a page": lambda _: b"<!DOCTYPE html><html><body>Sign in</body></html>",
    "an error event": lambda good: STOP.sub(b"event: error\ndata: " + ERROR + b"\n\n", good),
}
# What stands in between has answered: nobody was asked, and nothing is billed.
NEVER_THERE = ("nothing", "JSON of another kind", "a page")

ODD = [
    *(Odd(name, True) for name in ("as it is", "bom", "crlf", "cr", "comments", "unknown events")),
    Odd("a megabyte of comment", True),
    *(Odd(name, False) for name in ("no stop", "half an event", "a word that is no JSON")),
    *(Odd(name, False) for name in ("nothing", "a NUL", "an error event")),
    Odd("JSON of another kind", False, "application/json"),
    Odd("a page", False, "text/html"),
]


class OddFrontier(FakeAnthropic):
    """The fake, whose answers are bent on their way out."""

    def __init__(self) -> None:
        super().__init__()
        self.next: deque[Odd] = deque()

    def application(self) -> web.Application:
        """The fake's own, with the bending round it."""
        application = super().application()
        application.middlewares.append(self._bend)
        return application

    @web.middleware
    async def _bend(self, request: web.Request, handler: web.Handler) -> web.StreamResponse:  # type: ignore[name-defined]
        if not self.next:
            whole: web.StreamResponse = await handler(request)
            return whole
        odd = self.next.popleft()
        if odd.name in NEVER_THERE:
            await request.read()
            bent = odd.bent(b"data: {")
        else:
            bent = odd.bent(await self._good(request))
        return web.Response(body=bent, headers={"content-type": odd.content_type})

    async def _good(self, request: web.Request) -> bytes:
        """What the fake would have streamed, by asking itself."""
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                self.base_url + request.path,
                data=await request.read(),
                headers={name: value for name, value in request.headers.items() if name != "Host"},
            ) as reply,
        ):
            return await reply.read()


@pytest.fixture(scope="module")
def odd_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One service for all of it."""
    with world(tmp_path_factory.mktemp("odd"), frontier=OddFrontier()) as made:
        yield made


WORDS = count(12)


@pytest.mark.parametrize("piece", [None, 1], ids=["in one", "byte by byte"])
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.name)
def test_an_odd_stream_is_read_or_is_an_error(
    odd_world: World, odd: Odd, piece: int | None
) -> None:
    """In every dialect, streamed and not."""
    if piece and odd.name == "a megabyte of comment":
        piece = 997
    fake = odd_world.frontier
    assert isinstance(fake, OddFrontier)
    for stream in (True, False):
        for dialect in DIALECTS:
            fake.next.append(odd)
            odd_world.before_frontier.queue(Plan(piece=piece))
            told = asyncio.run(
                odd_world.crowd().all([Ask(next(WORDS), dialect=dialect, stream=stream)])
            )[0]
            wanted = Seen.WHOLE if odd.whole else Seen.ERROR
            assert told.seen is wanted, (odd.name, dialect, stream, told)
            # A good one in between: the breaker is not what is tried here.
            assert odd_world.ask([Ask(next(WORDS))])[0].seen is Seen.WHOLE


def test_nothing_of_it_was_lost(odd_world: World) -> None:
    """The bill has all of them, and so has the ledger."""
    odd_world.nothing_lost()
