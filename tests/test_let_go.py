"""What served a request is gone with its last holder: nothing of it waits for the collector.

Counted are objects, while the collector rests. Cycles among them would be many megabytes of a main
that answers, as its collector looks seldom.
"""

from __future__ import annotations

import gc
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from bench.soak import WARM_UP_REQUESTS
from tests.ledger.toys import NOON, free, settled
from tests.providers.raw_upstream import LOOPS, OK, answering, run, serving, whole
from tests.test_tries import BODY, WHOLE, World, play
from twotier.domain.message import Request
from twotier.domain.task import Caller
from twotier.domain.tier import TierPolicy
from twotier.exchange import Exchange
from twotier.hold import Hold
from twotier.ledger.entries import REQUESTS_REMEMBERED_MAX, Entries
from twotier.ledger.opening import prepare
from twotier.ledger.rows import Recorded
from twotier.ledger.store import connect, transaction
from twotier.providers.plain_answer import Answer
from twotier.providers.plain_connection import Connection
from twotier.providers.plain_pool import Pool
from twotier.providers.timer import Timer

LAST = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
KINDS = (Exchange, Hold, Connection, Answer, Timer)


@pytest.fixture
def resting() -> Iterator[None]:
    """The collector rests: what goes now goes by its count of references."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def left() -> Counter[str]:
    """How many of each kind there are."""
    return Counter(type(one).__name__ for one in gc.get_objects() if type(one) in KINDS)


@pytest.mark.usefixtures("resting")
@pytest.mark.parametrize("loop", list(LOOPS))
def test_a_connection_that_has_ended_is_gone(loop: str) -> None:
    """With its parser, which calls it, and its timer, which calls the answer."""

    async def scenario() -> None:
        async with serving(answering(OK, LAST)) as upstream, Pool() as pool:
            for _ in range(6):
                await whole(pool, upstream)
            assert upstream.connections == 3

    before = left()
    run(loop, scenario())
    assert left() == before


@pytest.mark.usefixtures("resting")
@pytest.mark.parametrize("stream", [False, True])
def test_an_exchange_that_has_ended_is_gone(tmp_path: Path, *, stream: bool) -> None:
    """However the client asked."""

    async def story(world: World) -> None:
        request = Request("openai_chat", BODY, "auto", text_bytes=len(BODY), stream=stream)
        caller = Caller(policy=TierPolicy.LOCAL_THEN_FRONTIER)
        before = left()
        for _ in range(4):
            answer = await world.dispatch.answer(request, caller)
            while await answer.read():
                pass
            await answer.close()
        del answer
        assert left() == before

    play(tmp_path, story, local=[WHOLE] * 4)


def test_what_the_ledger_remembers_of_requests_is_bounded(tmp_path: Path) -> None:
    """Past the bound a request leaves no object behind, and a recent one still counts once. A soak
    measures after it.
    """
    assert REQUESTS_REMEMBERED_MAX < WARM_UP_REQUESTS
    path = tmp_path / "ledger.db"
    prepare(path, owner="me", now=NOON)
    with closing(connect(path)) as connection:
        entries = Entries(connection, owner="me")
        told(entries, connection, range(REQUESTS_REMEMBERED_MAX))
        gc.collect()
        before = sys.getallocatedblocks()
        last = 2 * REQUESTS_REMEMBERED_MAX
        told(entries, connection, range(REQUESTS_REMEMBERED_MAX, last))
        gc.collect()
        assert sys.getallocatedblocks() - before < REQUESTS_REMEMBERED_MAX / 10
        told(entries, connection, range(last - 100, last), tries=2)
        counted = connection.execute("SELECT sum(requests), count(*) FROM usage").fetchone()
        assert counted == (last, last + 100)


def told(entries: Entries, connection: sqlite3.Connection, ids: range, *, tries: int = 1) -> None:
    """These requests, one free attempt each, in transactions of 500."""
    for at in range(ids.start, ids.stop, 500):
        with transaction(connection):
            entries.begin()
            entries.write_behind(
                Recorded(
                    replace(free(f"{tries}-{n}"), request_id=f"req_{n:06x}"), settled(), 1_000 + n
                )
                for n in range(at, min(at + 500, ids.stop))
            )
            entries.seal()
        entries.committed()
