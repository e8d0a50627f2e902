"""The provider that answers from a list."""

from __future__ import annotations

import asyncio

import pytest

from tests.providers.reading import chunks
from twotier.domain.message import Reasoning, Text, ToolCall, Usage, Whole
from twotier.errors import BudgetError, StreamBrokenError, TierUnavailableError
from twotier.protocols.assemble import Assembly
from twotier.protocols.openai_chat import StreamReader, read_whole
from twotier.providers.base import Ask, Deadlines, all_of
from twotier.providers.scripted import Answer, Scripted, events

WHOLE = Whole(
    "i",
    "m",
    (Reasoning("hm"), Text("a"), ToolCall("c", "f", "{}"), ToolCall("d", "g", '{"x":1}')),
    "tool_calls",
    Usage(3, 4),
)


def ask(*, stream: bool) -> Ask:
    return Ask(b"{}", stream=stream, deadlines=Deadlines(1, 1, 1, 1))


async def body(provider: Scripted, *, stream: bool) -> bytes:
    reply = await provider.ask(ask(stream=stream))
    assert reply.status == 200
    assert reply.headers["content-type"]
    return await all_of(reply)


def test_a_whole_answer_is_said_as_the_ask_wants_it() -> None:
    provider = Scripted([WHOLE])
    provider.say(WHOLE)
    assert read_whole(asyncio.run(body(provider, stream=False))) == WHOLE
    assembly = Assembly()
    for event in StreamReader().feed(asyncio.run(body(provider, stream=True))):
        assembly.fold(event)
    assert assembly.whole() == WHOLE
    assert [made.stream for made in provider.asks] == [False, True]
    assert provider.dialect == "openai_chat"


def test_events_of_a_whole_answer_assemble_to_it() -> None:
    signed = Whole("i", "m", (Reasoning("hm", "sig"), Text("a")), "stop", None)
    assembly = Assembly()
    for event in events(signed):
        assembly.fold(event)
    assert assembly.whole() == signed


def test_errors_come_before_or_in_the_answer() -> None:
    breaks = Answer((b"a", b"b"), breaks=StreamBrokenError("cut"))
    provider = Scripted([BudgetError("no"), breaks, breaks])

    async def scenario() -> None:
        with pytest.raises(BudgetError):
            await provider.ask(ask(stream=True))
        reply = await provider.ask(ask(stream=True))
        with pytest.raises(StreamBrokenError):
            _ = [chunk async for chunk in chunks(reply)]
        closed = await provider.ask(ask(stream=True))
        seen = []
        async for chunk in chunks(closed):
            seen.append(chunk)
            await closed.close()
        assert seen == [b"a"]
        with pytest.raises(TierUnavailableError, match="the script is over"):
            await provider.ask(ask(stream=True))

    asyncio.run(scenario())
