"""The official openai SDK: Chat Completions and Responses, each tier, whole, streamed and typed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.clients.weather import (
    CALL,
    DESCRIPTION,
    FORECAST,
    NAME,
    PARAMETERS,
    QUESTION,
    RESULT,
    TIERS,
    Forecast,
    user,
)
from tests.clients.world import World
from tests.fakes.mind import answer

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("model", TIERS)]

FUNCTION: dict[str, Any] = {"name": NAME, "description": DESCRIPTION, "parameters": PARAMETERS}
CHAT_TOOLS: Any = [{"type": "function", "function": FUNCTION}]
TOOLS: Any = [{"type": "function", "strict": False, **FUNCTION}]


@pytest.fixture
def client(world: World) -> Iterator[openai.OpenAI]:
    """As its users make it: an address and a key."""
    base_url = f"{world.address}/v1"
    with openai.OpenAI(base_url=base_url, api_key=world.key, max_retries=0) as client:
        yield client


def chat(client: openai.OpenAI, *, streamed: bool, **asked: Any) -> Any:
    """One choice, whole or put together by the SDK's helper."""
    if not streamed:
        return client.chat.completions.create(**asked).choices[0]
    with client.chat.completions.stream(**asked) as stream:
        return stream.get_final_completion().choices[0]


def respond(client: openai.OpenAI, *, streamed: bool, **asked: Any) -> Any:
    """One response, whole or put together by the SDK's helper."""
    if not streamed:
        return client.responses.create(**asked)
    with client.responses.stream(**asked) as stream:
        return stream.get_final_response()


@pytest.mark.parametrize("streamed", [False, True])
def test_chat_calls_a_tool(world: World, client: openai.OpenAI, model: str, streamed: bool) -> None:
    """A whole round trip."""
    world.plan(CALL)
    turns = user()
    asked = {"model": model, "messages": turns, "tools": CHAT_TOOLS}
    first = chat(client, streamed=streamed, **asked)
    assert first.finish_reason == "tool_calls"
    (call,) = first.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == CALL
    turns += [first.message, {"role": "tool", "tool_call_id": call.id, "content": RESULT}]
    last = chat(client, streamed=streamed, **asked)
    assert last.finish_reason == "stop"
    assert last.message.content == f"The tool said: {RESULT}"


@pytest.mark.parametrize("streamed", [False, True])
def test_responses_call_a_tool(
    world: World, client: openai.OpenAI, model: str, streamed: bool
) -> None:
    """A whole round trip, every item given back as it came."""
    world.plan(CALL)
    items = user()
    asked = {"model": model, "input": items, "tools": TOOLS}
    first = respond(client, streamed=streamed, **asked)
    assert first.status == "completed"
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert (call.name, json.loads(call.arguments)) == CALL
    result = {"type": "function_call_output", "call_id": call.call_id, "output": RESULT}
    items += [*(item.to_dict() for item in first.output), result]
    last = respond(client, streamed=streamed, **asked)
    assert last.status == "completed"
    assert last.output_text == f"The tool said: {RESULT}"


def test_a_typed_answer_is_read(world: World, client: openai.OpenAI, model: str) -> None:
    """`parse` of both dialects: the schema goes down, an object that fits it comes back."""
    world.think(answer)
    completion = client.chat.completions.parse(
        model=model, messages=user(), response_format=Forecast
    )
    assert completion.choices[0].message.parsed == FORECAST
    response = client.responses.parse(model=model, input=QUESTION, text_format=Forecast)
    assert response.output_parsed == FORECAST


def test_both_dialects_stream_to_a_client_that_does_not_wait(world: World, model: str) -> None:
    """The SDK's asynchronous client, piece by piece."""
    world.think(answer)

    async def ask() -> tuple[list[str | None], list[str]]:
        async with openai.AsyncOpenAI(base_url=f"{world.address}/v1", api_key=world.key) as client:
            chunks = await client.chat.completions.create(
                model=model, messages=user("say: one two three"), stream=True
            )
            said = [chunk.choices[0].delta.content async for chunk in chunks if chunk.choices]
            async with client.responses.stream(model=model, input="say: one two three") as stream:
                texts = [
                    event.delta
                    async for event in stream
                    if event.type == "response.output_text.delta"
                ]
        return said, texts

    said, texts = asyncio.run(ask())
    assert "".join(text or "" for text in said) == "".join(texts) == "one two three"
    assert len(texts) > 1


def test_the_model_is_in_the_list(client: openai.OpenAI, model: str) -> None:
    """By the name it can be asked for."""
    assert model in {one.id for one in client.models.list()}
