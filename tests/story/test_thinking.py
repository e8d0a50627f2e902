"""A chat client that sends its messages back gives the frontier its own thinking back, sealed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest

from tests.fakes.anthropic_api import FakeAnthropic
from tests.story.service import FRONTIER, LOCAL_SERVER, Service

pytestmark = pytest.mark.slow

TOOL: Any = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
}


@dataclass
class World:
    """What runs while these tests do."""

    fake: FakeAnthropic
    client: openai.OpenAI

    def ask(self, messages: list[Any], *, stream: bool) -> dict[str, Any]:
        """The message of an answer, as the SDK has it."""
        asked: dict[str, Any] = {
            "model": "frontier",
            "messages": messages,
            "tools": [TOOL],
            "reasoning_effort": "low",
            "max_tokens": 4_000,
        }
        if stream:
            with self.client.chat.completions.stream(**asked) as answer:
                message = answer.get_final_completion().choices[0].message
        else:
            message = self.client.chat.completions.create(**asked).choices[0].message
        found: dict[str, Any] = message.to_dict()
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The frontier refuses thinking that it did not sign; the local tier is not there."""
    folder = tmp_path_factory.mktemp("thinking")
    with FakeAnthropic() as fake:
        tiers = (
            LOCAL_SERVER.format(base_url="http://127.0.0.1:9"),
            FRONTIER.format(base_url=fake.base_url),
        )
        service = Service(folder, *tiers, env={"FRONTIER_KEY": fake.key})
        try:
            service.up(ready="")
            with service.client() as client:
                yield World(fake, client)
        finally:
            service.__exit__(None, None, None)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("text", "kind"), [("use the tool", "thinking"), ("use the tool fake:redacted", "redacted")]
)
def test_thinking_goes_back_as_it_came(world: World, text: str, kind: str, stream: bool) -> None:
    """Through the SDK's own message, which knows nothing of the entries in it."""
    user = {"role": "user", "content": text}
    message = world.ask([user], stream=stream)
    (call,) = message["tool_calls"]
    if kind == "thinking":
        assert message["reasoning_content"] == "The user wants an answer. I give one."
    result = {"role": "tool", "tool_call_id": call["id"], "content": "42"}
    again = world.ask([user, message, result], stream=stream)
    assert again["content"] == "The tool said: 42"
    first = world.fake.bodies[-1]["messages"][1]["content"][0]
    assert first["type"].startswith(kind)
    assert first.get("signature") or first["data"]
