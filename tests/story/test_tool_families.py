"""Every family's calls, leaked by a server of somebody else's, through the whole program.

The server is a fake that says what it is told to: real ones of all these families do not run here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion

from tests.fakes.mind import Said, Thought, answer
from tests.fakes.openai_server import FakeOpenAI, Quirk
from tests.protocols.toolcalls.speaking import ARGUMENTS, NAMED, TOOLS, WRITTEN
from tests.story.service import LOCAL_SERVER, Service

OFFERED: Any = [
    {"type": "function", "function": {"name": name, "parameters": schema}}
    for name, schema in TOOLS.items()
]


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeOpenAI]:
    """The server."""
    with FakeOpenAI(mind=bending) as fake:
        yield fake


def bending(said: Said) -> Thought:
    """It writes a number as text in its own calls, and says everything else as it is told."""
    if "bend" in said.text:
        return Thought("", [("read_file", {"path": "notes.txt", "lines": "3"})])
    return answer(said)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, fake: FakeOpenAI) -> Iterator[Service]:
    """One tier that is always asked for a stream, one that is asked as the client asks us."""
    local = LOCAL_SERVER.format(base_url=f"{fake.base_url}/v1")
    asked = local.replace("tiers.local", "tiers.asked").replace('"openai"', '"llama_cpp"')
    asked = asked.replace("toy", "Llama-3.1-8B")
    with Service(tmp_path_factory.mktemp("families"), local, asked) as service:
        yield service


def answered(service: Service, said: str, *, model: str, streamed: bool = False) -> ChatCompletion:
    """What the SDK makes of it."""
    ask: Any = {
        "model": model,
        "messages": [{"role": "user", "content": f"say: {said}"}],
        "tools": OFFERED,
    }
    with service.client() as client:
        if not streamed:
            whole: ChatCompletion = client.chat.completions.create(**ask)
            return whole
        with client.chat.completions.stream(**ask) as stream:
            return stream.get_final_completion()


WAYS = pytest.mark.parametrize(
    ("model", "streamed"), [("local", True), ("local", False), ("asked", False)]
)


@WAYS
@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_a_leaked_call_is_a_call(service: Service, text: str, model: str, streamed: bool) -> None:
    """Relayed until it begins, put together from a stream, or in one piece."""
    (choice,) = answered(service, f"I look.\n{text}", model=model, streamed=streamed).choices
    assert choice.finish_reason == "tool_calls"
    assert (choice.message.content or "").strip() == "I look."
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    assert call.function.name == "read_file"
    assert json.loads(call.function.arguments) == ARGUMENTS


@WAYS
def test_a_call_that_its_server_announced_and_left_in_the_text_is_a_call(
    service: Service, fake: FakeOpenAI, model: str, streamed: bool
) -> None:
    """The text is tried first; where nothing in it fits the turn has failed."""
    fake.queue(Quirk.NO_CALLS)
    (choice,) = answered(service, WRITTEN["glm"], model=model, streamed=streamed).choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    fake.queue(Quirk.NO_CALLS)
    with pytest.raises(openai.APIError, match="no call could be read"):
        answered(service, "so", model=model, streamed=streamed)


def test_the_name_of_a_model_says_whether_bare_json_is_a_call(service: Service) -> None:
    """Llama writes so; of a model nobody knows it is an answer in JSON."""
    assert answered(service, NAMED, model="asked").choices[0].message.tool_calls
    assert answered(service, NAMED, model="local").choices[0].message.content == NAMED


@pytest.mark.parametrize("model", ["local", "asked"])
def test_an_answer_that_needs_no_repair_is_the_servers_own(service: Service, model: str) -> None:
    """Under its own id, tools or not."""
    assert answered(service, "a < b", model=model).choices[0].message.content == "a < b"
    plain = answered(service, "so", model=model)
    assert plain.choices[0].finish_reason == "stop"
    assert plain.usage is not None


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("model", "lines"), [("asked", 3), ("local", "3")])
def test_calls_of_the_server_are_checked_where_its_engine_is_known_to_bend_them(
    service: Service, model: str, lines: Any, streamed: bool
) -> None:
    """A server of no known engine is taken at its word, and nothing of its stream is held."""
    (choice,) = answered(service, "bend", model=model, streamed=streamed).choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"path": "notes.txt", "lines": lines}
