"""A server that ignores half of a request: told in words, held to them, replaced where it fails."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.test_tries import World, play
from twotier import errors
from twotier.domain.message import Request, Text, ToolCall, Usage, Whole
from twotier.domain.task import Caller
from twotier.domain.tier import TierPolicy
from twotier.engines.base import engine
from twotier.exchange import Tier
from twotier.protocols.normal import normaliser
from twotier.providers.scripted import Line
from twotier.router.breaker import FAILING_SECONDS, FAILURES_MAX, State

TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
PROSE = Whole("i", "m", (Text("I would look."),), "stop", Usage(3, 4))
CALL = Whole("i", "m", (ToolCall("c1", "look", "{}"),), "tool_calls", Usage(3, 4))
JSON = Whole("i", "m", (Text('Here: {"a": 1}'),), "stop", Usage(3, 4))


async def asked(
    world: World, *, stream: bool = False, policy: str = "local-then-frontier", **fields: Any
) -> tuple[dict[str, str], bytes]:
    """Headers and bytes of an answer; the local server is like mlx-lm's."""
    tiers = cast("dict[str, Tier]", world.dispatch.tiers)
    near, traits = tiers["local"], engine("mlx_lm").traits
    spec = replace(near.spec, stream_always=True, stream_bent=True)
    tiers["local"] = replace(near, spec=spec, keep=traits.fields, normal=normaliser(traits.manners))
    talk = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Any news?"}]
    body = json.dumps({"model": "auto", "messages": talk, "stream": stream, **fields}).encode()
    request = Request("openai_chat", body, "auto", stream=stream, text_bytes=len(body))
    answer = await world.dispatch.answer(request, Caller(policy=TierPolicy(policy)))
    try:
        pieces = []
        while piece := await answer.read():
            pieces.append(piece)
        return dict(answer.headers), b"".join(pieces)
    finally:
        await answer.close()


def told(world: World) -> dict[str, Any]:
    """What the local server was sent."""
    body: dict[str, Any] = json.loads(world.local.asks[0].body)
    return body


def run(
    folder: Path, story: Any, *, local: Iterable[Line] = (), frontier: Iterable[Line] = ()
) -> None:
    play(folder, story, local=local, frontier=frontier)


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_had_to_come_and_did_not_goes_to_the_next_tier(
    tmp_path: Path, stream: bool
) -> None:
    """Nothing of the prose has reached the client, and the local tier is not thought dead."""

    async def story(world: World) -> None:
        headers, body = await asked(world, stream=stream, tools=TOOLS, tool_choice="required")
        assert headers["x-twotier-tier"] == "frontier"
        assert "called no tool" in headers["x-twotier-fallback"]
        assert b"would" not in body
        assert b"look" in body
        sent = told(world)
        assert sent["messages"][0]["role"] == "system"
        assert "tool_choice" not in sent
        assert json.loads(world.frontier.asks[0].body)["tool_choice"] == "required"

    run(tmp_path, story, local=[PROSE], frontier=[CALL])


def test_a_call_that_came_is_the_answer(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        headers, body = await asked(world, tools=TOOLS, tool_choice="required")
        assert headers["x-twotier-tier"] == "local"
        assert "x-twotier-dropped" not in headers
        assert json.loads(body)["choices"][0]["message"]["tool_calls"][0]["id"] == "c1"

    run(tmp_path, story, local=[CALL])


def test_json_is_cut_out_of_the_words_around_it(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        _, body = await asked(world, response_format={"type": "json_object"})
        assert json.loads(body)["choices"][0]["message"]["content"] == '{"a": 1}'

    run(tmp_path, story, local=[JSON])


def test_where_nobody_else_may_answer_the_failure_says_what_was_wrong(tmp_path: Path) -> None:
    """And however often a model fails so, its server is not taken for dead."""

    async def story(world: World) -> None:
        for _ in range(FAILURES_MAX + 1):
            world.clock.turn(FAILING_SECONDS)
            with pytest.raises(errors.UpstreamError, match="not JSON"):
                await asked(world, policy="local-only", response_format={"type": "json_object"})
        assert State.OPEN not in world.breakers.states().values()

    run(tmp_path, story, local=[PROSE] * 50)


def test_a_whole_answer_is_held_to_the_schema_that_could_not_be_said(tmp_path: Path) -> None:
    """llama.cpp is asked as the client asks: here without a stream."""
    around = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": around}}

    async def story(world: World) -> None:
        tiers = cast("dict[str, Tier]", world.dispatch.tiers)
        near, traits = tiers["local"], engine("llama_cpp").traits
        spec = replace(near.spec, stream_always=False)
        normal = normaliser(traits.manners)
        tiers["local"] = replace(near, spec=spec, keep=traits.fields, normal=normal)
        talk = [{"role": "user", "content": "Any news?"}]
        body = json.dumps({"model": "auto", "messages": talk, "response_format": form}).encode()
        request = Request("openai_chat", body, "auto", text_bytes=len(body))
        with pytest.raises(errors.UpstreamError, match="next is missing"):
            await world.dispatch.answer(request, Caller(policy=TierPolicy.LOCAL_ONLY))

    run(tmp_path, story, local=[JSON] * 9)


@pytest.mark.parametrize("stream_always", [False, True])
def test_a_call_of_a_custom_tool_comes_back_as_one(tmp_path: Path, stream_always: bool) -> None:
    """Its server knows functions only."""
    custom = {"type": "custom", "custom": {"name": "shell"}}
    call = Whole("i", "m", (ToolCall("c1", "shell", '{"input": "ls"}'),), "tool_calls", Usage(3, 4))

    async def story(world: World) -> None:
        tiers = cast("dict[str, Tier]", world.dispatch.tiers)
        near, traits = tiers["local"], engine("llama_cpp").traits
        spec = replace(near.spec, stream_always=stream_always)
        normal = normaliser(traits.manners)
        tiers["local"] = replace(near, spec=spec, keep=traits.fields, normal=normal)
        talk = [{"role": "user", "content": "Any news?"}]
        body = json.dumps({"model": "auto", "messages": talk, "tools": [custom]}).encode()
        request = Request("openai_chat", body, "auto", text_bytes=len(body), tools=1)
        answer = await world.dispatch.answer(request, Caller(policy=TierPolicy.LOCAL_ONLY))
        (found,) = json.loads(await answer.read())["choices"][0]["message"]["tool_calls"]
        assert found == {"id": "c1", "type": "custom", "custom": {"name": "shell", "input": "ls"}}
        await answer.close()
        assert told(world)["tools"][0]["type"] == "function"

    run(tmp_path, story, local=[call])
