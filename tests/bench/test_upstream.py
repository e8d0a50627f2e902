"""The bench's upstream answers as a real one does, in both dialects, so that the work is real."""

from __future__ import annotations

import asyncio

import pytest

from bench.bodies import small
from bench.load import WORD, Target, connect, unframed
from bench.upstream import CHUNKS, PLANS, Upstream
from twotier.domain.message import Dialect
from twotier.protocols import OUTBOUND

PATHS: dict[Dialect, str] = {
    "openai_chat": "/v1/chat/completions",
    "anthropic_messages": "/v1/messages",
}
BOTH = pytest.mark.parametrize("dialect", PATHS)


async def ask(dialect: Dialect, *, stream: bool = False, plan: str = "") -> bytes:
    """One request to an upstream, the answer's bytes."""
    loop = asyncio.get_running_loop()
    async with await loop.create_server(Upstream, "127.0.0.1", 0) as server:
        target = Target(server.sockets[0].getsockname()[1], PATHS[dialect])
        connection = await connect(target)
        messages = dialect == "anthropic_messages"
        body = small("local", stream=stream, plan=plan, messages=messages)
        answer = await connection.ask(target.request(body))
        connection.close()
        return answer


@BOTH
def test_a_whole_answer_is_read_with_its_usage(dialect: Dialect) -> None:
    """The ledger row of the bench is a full one."""
    answer = asyncio.run(ask(dialect))
    seen = OUTBOUND[dialect].observe_whole(answer.partition(b"\r\n\r\n")[2])
    assert seen.usage is not None
    assert seen.usage.output_tokens == CHUNKS
    assert seen.usage.cache_read_tokens > 0


@BOTH
def test_a_streamed_answer_is_read_to_its_end(dialect: Dialect) -> None:
    """Our own reader takes it: no event is strange to it, and it says how it ended."""
    answer = asyncio.run(ask(dialect, stream=True))
    assert unframed(answer).count(WORD) == CHUNKS
    reader = OUTBOUND[dialect].stream_reader()
    assert reader.feed(unframed(answer))
    reader.end()  # raises where the terminator is missing


@BOTH
@pytest.mark.parametrize("plan", ["paced", "long"])
def test_a_plan_named_in_the_text_is_followed(dialect: Dialect, plan: str) -> None:
    """A gateway may rewrite all of a request but its text."""
    answer = asyncio.run(ask(dialect, stream=True, plan=plan))
    assert unframed(answer).count(WORD) == PLANS[plan].chunks


def test_no_word_follows_itself() -> None:
    """There are gateways that take a hundred equal chunks for a model in a loop, and end it."""
    answer = unframed(asyncio.run(ask("openai_chat", stream=True)))
    assert b'"word 0 "' in answer
    assert b'"word 9 "' in answer
