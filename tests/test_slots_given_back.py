"""A slot comes back once, however a request ends and at whatever moment its client leaves."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ledger.toys import HandClock
from tests.test_tries import BODY, WHOLE, World, refused, upstream
from twotier import errors
from twotier.dispatch import Dispatch
from twotier.domain.message import Request
from twotier.domain.task import Caller
from twotier.domain.tier import TierPolicy
from twotier.ledger.book import Book
from twotier.providers.base import Ask, Reply
from twotier.providers.scripted import Answer, Line, Scripted
from twotier.router.line import Line as InLine
from twotier.slots import Slots

TURNS = 45  # of the loop; every request here is over by then
BROKEN = Answer((b'data: {"choices":[{"index":0,"delta":{"content":"fi"}}]}\n\n',))
LINES: list[Line] = [WHOLE, refused(), upstream(503), upstream(400), BROKEN]


class Slow(Scripted):
    """Takes a few turns of the loop for each step, so that a client can leave in between."""

    async def ask(self, ask: Ask) -> Reply:
        await asyncio.sleep(0)
        reply = _Slow(await super().ask(ask))
        await asyncio.sleep(0)
        return reply


class _Slow:
    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.status, self.headers = reply.status, reply.headers

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        return await self._reply.read()

    async def close(self) -> None:
        await asyncio.sleep(0)
        await self._reply.close()


class Tight(World):
    """One slot at the local tier, and room for one more."""

    def limit(self) -> Slots:
        tier = self.dispatch.tiers["local"]
        slots = Slots(InLine(1, 1), tier.facts, now=self.clock.monotonic, wait_seconds=60.0)
        self.dispatch.tiers["local"] = replace(tier, slots=slots)  # type: ignore[index]
        return slots


async def asked(dispatch: Dispatch, *, stream: bool) -> None:
    """One request from a client that reads all of its answer, as the gateway does it."""
    request = Request("openai_chat", BODY, "auto", stream=stream, text_bytes=len(BODY))
    caller = Caller(client="me", policy=TierPolicy.LOCAL_THEN_FRONTIER)
    try:
        answer = await dispatch.answer(request, caller)
    except errors.TwotierError:
        return
    try:
        while await answer.read():
            pass
    finally:
        await answer.close()


async def turned(task: asyncio.Task[None], turns: int) -> None:
    """So many turns of the loop later its client leaves; then it is over."""
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("line", LINES)
def test_whenever_a_client_leaves(tmp_path: Path, line: Line, stream: bool) -> None:
    """While it waits in line, is sent, answered, closed: afterwards nobody is in, nobody waits."""

    async def run() -> None:
        clock = HandClock()
        path = tmp_path / "ledger.db"
        book = await Book.open(path, clock=clock)
        try:
            for turns in range(TURNS):
                world = Tight(book, path, clock, Slow([line] * 2), Slow([WHOLE] * 2))
                world.requests = turns * 10
                slots = world.limit()
                async with asyncio.TaskGroup() as group:
                    first = group.create_task(asked(world.dispatch, stream=stream))
                    second = group.create_task(asked(world.dispatch, stream=stream))
                    await asyncio.gather(turned(second, turns), turned(first, 2 * turns))
                load = slots.load()
                assert (load.in_use, load.waiting) == (0, 0), turns
        finally:
            await book.close()

    asyncio.run(run())
