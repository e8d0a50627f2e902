"""A limit of tokens that cut a tool call: it is asked again with more, then elsewhere; if free."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.ledger.toys import HandClock
from tests.protocols.toolcalls.speaking import WRITTEN
from tests.test_tries import World, play
from twotier.domain.message import Request, Text, ToolCall, Usage, Whole
from twotier.domain.task import Caller
from twotier.domain.tier import TierPolicy
from twotier.exchange import Tier
from twotier.protocols.toolcalls import Habits
from twotier.providers.base import Ask, Reply
from twotier.providers.scripted import Line, Scripted
from twotier.router.retry import RETRIES_AT_START

CALL = WRITTEN["qwen3_coder"]
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("read_file", "now")
]
DEFAULT, WINDOW = 4096, 200_000  # of `bench.decision.spec`
USAGE = Usage(3, 4)
CUT = Whole("i", "m", (Text(CALL[:-30]),), "length", USAGE)
SWALLOWED = Whole("i", "m", (), "length", Usage(3, DEFAULT))
HALF = Whole("i", "m", (ToolCall("c", "read_file", '{"path": "no'),), "length", USAGE)
WHOLE = Whole("i", "m", (Text(CALL),), "stop", USAGE)
PROSE = Whole("i", "m", (Text("and so on"),), "length", USAGE)
FRONTIER = Whole("i", "m", (ToolCall("c", "now", "{}"),), "tool_calls", USAGE)


async def asked(
    world: World,
    *,
    model: str = "auto",
    stream: bool = False,
    policy: str = "local-then-frontier",
    deadline: float | None = None,
    limit: int | None = None,
    prompt_tokens: int = 0,
) -> tuple[dict[str, str], str]:
    """Headers and text of an answer of a tier whose calls are repaired."""
    tiers = cast("dict[str, Tier]", world.dispatch.tiers)
    for name in tiers:
        tiers[name] = replace(tiers[name], calls=Habits())
    talk = [{"role": "user", "content": "Any news?"}]
    fields = {"model": "auto", "messages": talk, "stream": stream, "tools": TOOLS}
    body = json.dumps(fields | ({} if limit is None else {"max_tokens": limit})).encode()
    request = Request(
        *("openai_chat", body, model, stream),
        max_output_tokens=limit,
        tools=2,
        text_bytes=len(body) + 4 * prompt_tokens,
    )
    caller = Caller(policy=TierPolicy(policy), deadline_seconds=deadline)
    answer = await world.dispatch.answer(request, caller)
    try:
        pieces = []
        while piece := await answer.read():
            pieces.append(piece)
        return dict(answer.headers), b"".join(pieces).decode()
    finally:
        await answer.close()


def limits(world: World) -> list[int]:
    """What the local server was asked for, each time."""
    return [json.loads(ask.body)["max_tokens"] for ask in world.local.asks]


def run(
    folder: Path, story: Any, *, local: Iterable[Line] = (), frontier: Iterable[Line] = ()
) -> None:
    play(folder, story, local=local, frontier=frontier)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("first", [CUT, SWALLOWED])
def test_it_is_asked_again_with_twice_the_limit(tmp_path: Path, first: Whole, stream: bool) -> None:
    """Of the same tier; the client sees the call, and what happened in a header and the ledger."""

    async def story(world: World) -> None:
        headers, body = await asked(world, stream=stream)
        assert limits(world) == [DEFAULT, 2 * DEFAULT]
        assert headers["x-twotier-tier"] == "local"
        assert "limit of 4096 tokens cut a tool call" in headers["x-twotier-fallback"]
        assert "read_file" in body
        assert "parameter=" not in body
        await world.book.flush()
        (kinds,) = await world.book.repairs(world.clock.now().replace(year=2000))
        assert kinds.kinds["cut"] == 1
        assert [row[0] for row in await world.rows()] == ["r1-0", "r1-0r2"]

    run(tmp_path, story, local=[first, WHOLE])


def test_half_a_call_of_the_servers_own_is_one_too(tmp_path: Path) -> None:
    """llama.cpp passes it on; in a stream it has gone out before anybody knows."""

    async def story(world: World) -> None:
        headers, body = await asked(world)
        assert headers["x-twotier-tier"] == "local"
        assert '\\"lines\\"' in body
        _, body = await asked(world, stream=True)
        assert '"length"' in body
        assert len(world.local.asks) == 3

    run(tmp_path, story, local=[HALF, WHOLE, HALF])


def test_cut_once_more_it_goes_to_the_next_tier(tmp_path: Path) -> None:
    """Which is asked as if nothing had been."""

    async def story(world: World) -> None:
        headers, _ = await asked(world)
        assert headers["x-twotier-tier"] == "frontier"
        assert headers["x-twotier-fallback"].count("cut a tool call") == 2
        assert json.loads(world.frontier.asks[0].body)["max_tokens"] == DEFAULT

    run(tmp_path, story, local=[CUT, CUT], frontier=[FRONTIER])


def test_where_nobody_else_may_be_asked_the_cut_answer_is_the_answer(tmp_path: Path) -> None:
    """As text, with its own reason."""

    async def story(world: World) -> None:
        _, body = await asked(world, policy="local-only")
        assert json.loads(body)["choices"][0]["finish_reason"] == "length"
        assert limits(world) == [DEFAULT, 2 * DEFAULT]

    run(tmp_path, story, local=[CUT, CUT])


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (CUT, {"limit": 20}),  # the client's own word
        (CUT, {"model": "frontier"}),  # somebody paid for it
        (PROSE, {}),  # no call
    ],
)
def test_any_other_cut_answer_goes_out_as_it_is(
    tmp_path: Path, line: Whole, fields: dict[str, Any]
) -> None:
    async def story(world: World) -> None:
        headers, body = await asked(world, **fields)
        assert "x-twotier-fallback" not in headers
        assert json.loads(body)["choices"][0]["finish_reason"] == "length"

    run(tmp_path, story, local=[line], frontier=[line])


def test_without_room_for_more_the_next_tier_is_asked(tmp_path: Path) -> None:
    """Its window holds no more."""

    async def story(world: World) -> None:
        headers, _ = await asked(world, prompt_tokens=WINDOW - DEFAULT)
        assert headers["x-twotier-tier"] == "frontier"
        assert len(world.local.asks) == 1

    run(tmp_path, story, local=[CUT], frontier=[FRONTIER])


class Slow(Scripted):
    """A server that takes its time."""

    def __init__(self, script: Iterable[Line], *, clock: HandClock, seconds: float) -> None:
        super().__init__(script)
        self._clock, self._seconds = clock, seconds

    async def ask(self, ask: Ask) -> Reply:
        """The next line, later."""
        self._clock.turn(self._seconds)
        return await super().ask(ask)


@pytest.mark.parametrize(("deadline", "asks"), [(10.0, 1), (100.0, 2), (None, 2)])
def test_where_the_time_is_too_short_the_next_tier_is_asked(
    tmp_path: Path, deadline: float | None, asks: int
) -> None:
    """As long as it took may be as long as it takes."""

    async def story(world: World) -> None:
        world.silence(Slow([CUT, WHOLE], clock=world.clock, seconds=6.0))
        headers, _ = await asked(world, deadline=deadline)
        assert headers["x-twotier-tier"] == ("local" if asks == 2 else "frontier")
        assert len(world.local.asks) == asks

    run(tmp_path, story, frontier=[FRONTIER])


def test_trouble_does_not_become_a_storm(tmp_path: Path) -> None:
    """Where all answers are cut, only a share of them is asked for again."""

    async def story(world: World) -> None:
        asks = int(RETRIES_AT_START) + 3
        for _ in range(asks):
            assert (await asked(world))[0]["x-twotier-tier"] == "frontier"
        assert len(world.local.asks) < 2 * asks

    run(tmp_path, story, local=[CUT] * 20, frontier=[FRONTIER] * 20)
