"""The official anthropic SDK: Messages on each tier, whole, streamed, typed, by its tool runner."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.clients.weather import (
    CALL,
    DESCRIPTION,
    FORECAST,
    NAME,
    PARAMETERS,
    RESULT,
    TIERS,
    Forecast,
    user,
)
from tests.clients.world import World
from tests.fakes.mind import answer

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("model", TIERS)]

TOOLS: Any = [{"name": NAME, "description": DESCRIPTION, "input_schema": PARAMETERS}]


@anthropic.beta_tool(name=NAME)
def weather(city: str) -> str:
    """The weather in a city."""
    assert city == CALL[1]["city"]
    return RESULT


@pytest.fixture
def client(world: World) -> Iterator[anthropic.Anthropic]:
    """As its users make it: an address and a key."""
    base_url = world.address
    with anthropic.Anthropic(base_url=base_url, api_key=world.key, max_retries=0) as client:
        yield client


def ask(client: anthropic.Anthropic, *, streamed: bool, **asked: Any) -> Any:
    """One message, whole or put together by the SDK's helper."""
    if not streamed:
        return client.messages.create(max_tokens=4096, **asked)
    with client.messages.stream(max_tokens=4096, **asked) as stream:
        return stream.get_final_message()


@pytest.mark.parametrize("thinking", [False, True])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called(
    world: World, client: anthropic.Anthropic, model: str, streamed: bool, thinking: bool
) -> None:
    """A whole round trip, what was thought given back with its seal."""
    world.plan(CALL)
    turns = user()
    asked: dict[str, Any] = {"model": model, "messages": turns, "tools": TOOLS}
    if thinking:
        asked["thinking"] = {"type": "enabled", "budget_tokens": 2048}
    first = ask(client, streamed=streamed, **asked)
    assert first.stop_reason == "tool_use"
    (call,) = [block for block in first.content if block.type == "tool_use"]
    assert (call.name, call.input) == CALL
    result = {"type": "tool_result", "tool_use_id": call.id, "content": RESULT}
    turns += [
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [result]},
    ]
    last = ask(client, streamed=streamed, **asked)
    assert last.stop_reason == "end_turn"
    assert last.content[-1].text == f"The tool said: {RESULT}"
    kinds = [block.type for block in first.content]
    assert ("thinking" in kinds) is (thinking and model == "frontier")


@pytest.mark.parametrize("streamed", [False, True])
def test_the_tool_runner_runs(
    world: World, client: anthropic.Anthropic, model: str, streamed: bool
) -> None:
    """The SDK's own loop, over the beta path.

    It asks to go on with what the API keeps of the conversation, and without when refused.
    """
    world.plan(CALL)
    runner: Any = client.beta.messages.tool_runner(
        model=model, max_tokens=1024, messages=user(), tools=[weather], stream=streamed
    )
    last = runner.until_done()
    assert last.content[-1].text == f"The tool said: {RESULT}"


def test_a_typed_answer_is_read(world: World, client: anthropic.Anthropic, model: str) -> None:
    """`parse`: the schema goes down, an object that fits it comes back.

    Local servers' Messages have no word for a schema, so `relayed` is asked in chat.
    """
    world.think(answer)
    message = client.messages.parse(
        model=model, max_tokens=100, messages=user(), output_format=Forecast
    )
    assert message.parsed_output == FORECAST


def test_a_stream_comes_to_a_client_that_does_not_wait(world: World, model: str) -> None:
    """The SDK's asynchronous client, piece by piece."""
    world.think(answer)

    asked: Any = {"model": model, "max_tokens": 100, "messages": user("say: one two three")}

    async def texts() -> list[str]:
        async with (
            anthropic.AsyncAnthropic(base_url=world.address, api_key=world.key) as client,
            client.messages.stream(**asked) as stream,
        ):
            return [text async for text in stream.text_stream]

    pieces = asyncio.run(texts())
    assert "".join(pieces) == "one two three"
    assert len(pieces) > 1


def test_tokens_are_counted(client: anthropic.Anthropic, model: str) -> None:
    """By whoever can, else by an estimate."""
    count = client.messages.count_tokens(model=model, messages=user(), tools=TOOLS)
    assert count.input_tokens > 5


def test_the_model_is_in_the_list(client: anthropic.Anthropic, model: str) -> None:
    """By the name it can be asked for."""
    assert model in {one.id for one in client.models.list()}
