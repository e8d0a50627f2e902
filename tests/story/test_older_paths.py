"""Text completions and embeddings through a real main process, by the official SDK."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.engines.fixtures import tiny_minimax
from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.openai_server import FakeOpenAI, Quirk
from tests.fakes.openai_texts import CONTINUED
from tests.story.service import FRONTIER, STARTER, Service, eventually, mlx

pytestmark = pytest.mark.slow

SPEAKS = """
[tiers.local]
engine = "openai"
model = "small"
base_url = "{base_url}/v1"
speaks = ["completions"]

[tiers.vectors]
engine = "openai"
model = "vec"
base_url = "{base_url}/v1"
speaks = ["embeddings"]
"""


@dataclass
class World:
    """What runs while these tests do."""

    service: Service
    local: FakeOpenAI
    client: openai.OpenAI


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A local tier for each path, and the frontier, which has none."""
    folder = tmp_path_factory.mktemp("older")
    with FakeOpenAI() as local, FakeAnthropic() as frontier:
        parts = (
            SPEAKS.format(base_url=local.base_url),
            FRONTIER.format(base_url=frontier.base_url),
        )
        service = Service(folder, *parts, env={"FRONTIER_KEY": frontier.key})
        try:
            service.up(ready="")
            with service.client() as client:
                yield World(service, local, client)
        finally:
            service.__exit__(None, None, None)


def test_a_text_is_continued_whole_and_streamed(world: World) -> None:
    """`auto` goes to the tier that has the path, whatever the kind of work."""
    whole = world.client.completions.create(model="auto", prompt="Refactor all", echo=True)
    assert whole.choices[0].text == "Refactor all" + CONTINUED
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage is not None
    assert whole.usage.total_tokens == 16
    sent = world.local.bodies[-1]
    assert (sent["model"], sent["stream"], sent["echo"]) == ("small", True, True)
    stream = world.client.completions.create(model="local", prompt="Once", stream=True)
    with stream:
        assert "".join(chunk.choices[0].text for chunk in stream) == CONTINUED


def test_a_stream_that_breaks_is_an_error_and_no_end(world: World) -> None:
    """The first words are with the client, so nothing is tried again."""
    world.local.queue(Quirk.CLEAN_CUT)
    stream = world.client.completions.create(model="local", prompt="Once", stream=True)
    with stream, pytest.raises(openai.APIError, match="incomplete"):
        list(stream)


def test_texts_are_embedded_and_counted(world: World) -> None:
    """Many texts together are longer than a window, and each fits alone."""
    texts = ["long " * 2_000] * 20
    reply = world.client.embeddings.create(model="auto", input=texts, encoding_format="float")
    assert [one.embedding for one in reply.data] == [[0.5, -0.25]] * 20
    assert reply.usage.prompt_tokens == 80
    eventually(lambda: world.service.spend().get("vectors", {}).get("input_tokens") == 80)


@pytest.mark.parametrize("path", ["completions", "embeddings"])
def test_a_tier_without_the_path_refuses_by_its_name(world: World, path: str) -> None:
    """The frontier was asked for by name, so no other tier is."""
    field = {"completions": "prompt", "embeddings": "input"}[path]
    with pytest.raises(openai.APIStatusError, match=f"/{path}"):
        world.client.post(f"/{path}", body={"model": "frontier", field: "x"}, cast_to=object)


@pytest.mark.engine
@pytest.mark.parametrize("engine", ["llama_cpp", "mlx_lm"])
def test_a_real_server_continues_a_text(tmp_path: Path, engine: str) -> None:
    """Streamed and put together, to the same words, counted by the server itself."""
    tier = STARTER if engine == "llama_cpp" else mlx(tiny_minimax())
    with Service(tmp_path, tier) as service, service.client() as client:
        asked: dict[str, Any] = {"model": "local", "prompt": "Once upon a", "temperature": 0.0}
        whole = client.completions.create(**asked, max_tokens=8)
        assert whole.usage is not None
        assert 0 < whole.usage.completion_tokens <= 8
        options: Any = {"include_usage": True}
        with client.completions.create(
            **asked, max_tokens=8, stream=True, stream_options=options
        ) as stream:
            chunks = list(stream)
        said = "".join(choice.text for chunk in chunks for choice in chunk.choices)
        assert said == whole.choices[0].text
        assert chunks[-1].usage is not None
