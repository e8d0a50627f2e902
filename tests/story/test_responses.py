"""The Responses API through the whole program: the official SDK and real local servers."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from openai.types.responses import (
    Response,
    ResponseCustomToolCall,
    ResponseFunctionToolCall,
    ResponseReasoningItem,
)

from tests.engines.fixtures import starter_engine_environment, starter_model, tiny_minimax
from tests.fakes.anthropic_api import FakeAnthropic
from tests.fakes.mind import Thought
from tests.fakes.openai_responses import stream as fake_stream
from tests.fakes.openai_server import FakeOpenAI, Raw
from tests.story.service import FRONTIER, LOCAL_SERVER, STARTER, Service, eventually, mlx
from tests.toys.tiny_minimax import FINAL, RESULT
from tests.toys.tiny_minimax import TOOLS as CHAT_TOOLS

pytestmark = [pytest.mark.slow, pytest.mark.engine]
TOOLS: Any = [{"type": "function", **tool["function"], "strict": None} for tool in CHAT_TOOLS]


@dataclass
class World:
    """What runs while these tests do."""

    service: Service
    fake: FakeAnthropic
    client: openai.OpenAI

    def ask(self, model: str, given: Any, *, streamed: bool, **more: Any) -> Response:
        """An answer, whole or put together by the SDK from a stream."""
        if not streamed:
            response: Response = self.client.responses.create(model=model, input=given, **more)
            return response
        with self.client.responses.stream(model=model, input=given, **more) as stream:
            whole: Response = stream.get_final_response()
        return whole


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Real mlx-lm with the tiny M2 model, the fake frontier, and twotier between them."""
    folder = tmp_path_factory.mktemp("responses")
    with FakeAnthropic(pace_seconds=0.01, retry_after="2") as fake:
        frontier = FRONTIER.format(base_url=fake.base_url)
        env = {"FRONTIER_KEY": fake.key}
        with Service(folder, mlx(tiny_minimax()), frontier, env=env) as service:
            yield World(service, fake, service.client())


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("model", "text", "answer"),
    [
        ("local", "hello", "Hello from the local tier."),
        ("frontier", "say: good day", "good day"),
        ("auto", "say: good day", "good day"),
    ],
)
def test_a_text_is_answered(
    world: World, model: str, text: str, answer: str, streamed: bool
) -> None:
    """Both tiers, streamed and not, with usage."""
    response = world.ask(model, text, streamed=streamed)
    assert response.output_text.strip() == answer
    assert response.status == "completed"
    assert response.usage is not None
    assert response.usage.output_tokens > 0
    assert response.usage.total_tokens > response.usage.output_tokens


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("model", "text"), [("local", "probe"), ("frontier", "use the tool")])
def test_a_tool_is_called_and_its_answer_used(
    world: World, model: str, text: str, streamed: bool
) -> None:
    """A whole round trip, every item of the answer given back as it came, as Codex does."""
    first = world.ask(model, text, streamed=streamed, tools=TOOLS)
    (call,) = [item for item in first.output if isinstance(item, ResponseFunctionToolCall)]
    assert call.name == "read_file"
    assert "path" in json.loads(call.arguments)
    history = [
        {"role": "user", "content": text},
        *(item.to_dict() for item in first.output),
        {"type": "function_call_output", "call_id": call.call_id, "output": RESULT},
    ]
    last = world.ask(model, history, streamed=streamed, tools=TOOLS)
    assert last.output_text.strip() == (FINAL if model == "local" else f"The tool said: {RESULT}")


def test_thinking_of_the_local_tier_is_a_reasoning_item(world: World) -> None:
    """And is told apart from the answer while it comes."""
    with world.client.responses.stream(model="local", input="hello") as stream:
        kinds = [event.type for event in stream]
        response = stream.get_final_response()
    assert kinds[:3] == ["response.created", "response.in_progress", "response.output_item.added"]
    assert kinds[-1] == "response.completed"
    assert kinds.index("response.reasoning_summary_text.delta") < kinds.index(
        "response.output_text.delta"
    )
    thought = response.output[0]
    assert isinstance(thought, ResponseReasoningItem)
    assert "".join(part.text for part in thought.summary).strip() == "Greet."
    assert thought.encrypted_content is None


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("more", ["", "fake:redacted"])
def test_the_frontiers_thinking_is_given_back_with_its_seal(
    world: World, streamed: bool, more: str
) -> None:
    """The fake refuses, as Anthropic does, a tool turn whose thinking has lost its signature or was
    changed; Codex and the SDK give reasoning items back as they came.
    """
    text = f"use the tool {more}"
    asked: dict[str, Any] = {"tools": TOOLS, "reasoning": {"effort": "high", "summary": "auto"}}
    first = world.ask("frontier", text, streamed=streamed, **asked)
    thought = first.output[0]
    assert isinstance(thought, ResponseReasoningItem)
    assert thought.encrypted_content is not None
    assert bool(thought.summary) is not bool(more)
    (call,) = [item for item in first.output if isinstance(item, ResponseFunctionToolCall)]
    history = [
        {"role": "user", "content": text},
        *(item.to_dict() for item in first.output),
        {"type": "function_call_output", "call_id": call.call_id, "output": RESULT},
    ]
    last = world.ask("frontier", history, streamed=streamed, **asked)
    assert last.output_text == f"The tool said: {RESULT}"
    kinds = [block["type"] for block in world.fake.bodies[-1]["messages"][1]["content"]]
    assert kinds[0] == ("redacted_thinking" if more else "thinking")
    assert last.usage is not None
    assert last.usage.output_tokens_details.reasoning_tokens > 0


@pytest.mark.parametrize("streamed", [False, True])
def test_tools_that_no_other_dialect_has_are_said_as_functions(
    world: World, streamed: bool
) -> None:
    """A custom tool takes text, a namespace groups tools; the client gets its own names back."""
    custom = {"type": "custom", "name": "note", "description": "Write a note."}
    inner = {**custom, "type": "function", "parameters": {"type": "object", "properties": {}}}
    space = {"type": "namespace", "name": "crm", "description": "Customers", "tools": [inner]}
    response = world.ask("frontier", "use both tools", streamed=streamed, tools=[custom, space])
    note, find = response.output[1:]
    assert isinstance(note, ResponseCustomToolCall)
    assert (note.name, note.input) == ("note", "Köln 🙂")
    assert isinstance(find, ResponseFunctionToolCall)
    assert (find.namespace, find.name, find.arguments) == ("crm", "note", "{}")
    history = [
        {"role": "user", "content": "go"},
        *(item.to_dict() for item in response.output),
        {"type": "custom_tool_call_output", "call_id": note.call_id, "output": "a"},
        {"type": "function_call_output", "call_id": find.call_id, "output": "b"},
    ]
    last = world.ask("frontier", history, streamed=streamed, tools=[custom, space])
    assert last.output_text == "The tool said: a and b"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", ["local", "frontier"])
def test_an_answer_that_was_cut_off_is_incomplete(world: World, model: str, streamed: bool) -> None:
    """The SDK's stream helper knows an end only as `response.completed`, so its events are read."""
    asked: dict[str, Any] = {"model": model, "input": "say: one two three", "max_output_tokens": 2}
    if not streamed:
        response = world.client.responses.create(**asked)
    else:
        *_, last = world.client.responses.create(stream=True, **asked)
        assert last.type == "response.incomplete"
        response = last.response
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.usage is not None
    assert response.usage.output_tokens == 2


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("fake:overloaded-in-stream", "Overloaded"),
        ("fake:cut", "ended|closed|broke|incomplete"),
        ("fake:clean-cut", "incomplete"),
    ],
)
def test_a_stream_that_breaks_is_an_error_and_never_an_end(
    world: World, fault: str, message: str
) -> None:
    """After the first byte: the SDK raises, and no last event was seen."""
    seen: list[str] = []
    stream = world.client.responses.create(
        model="frontier", input=f"{fault} say: one two three four five six", stream=True
    )
    with pytest.raises(openai.APIError, match=message):
        seen.extend(event.type for event in stream)
    assert "response.output_text.delta" in seen
    assert "response.completed" not in seen


def test_what_cannot_be_answered_is_refused_with_what_to_send_instead(world: World) -> None:
    """In OpenAI's shape, which the SDK reads."""
    with pytest.raises(openai.BadRequestError, match="previous_response_id: no answers are kept"):
        world.client.responses.create(model="local", input="hi", previous_response_id="resp_1")
    with pytest.raises(openai.BadRequestError, match="background: no answers are kept"):
        world.client.responses.create(model="local", input="hi", background=True)
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-9' here"):
        world.client.responses.create(model="gpt-9", input="hi")
    with pytest.raises(openai.APIStatusError) as caught:
        world.client.responses.create(model="frontier", input="fake:529")
    assert caught.value.status_code == 529
    assert caught.value.type == "overloaded_error"


def test_what_cannot_be_said_is_named_in_a_header(world: World) -> None:
    """Hosted tools above all, which Codex always offers."""
    raw = world.client.responses.with_raw_response.create(
        model="frontier",
        input="say: good day",
        tools=[{"type": "web_search"}],
        prompt_cache_key="k",
        store=False,
        include=["reasoning.encrypted_content"],
    )
    assert raw.headers["x-twotier-dropped"] == "prompt_cache_key, tools[].web_search"
    assert raw.parse().output_text == "good day"


def test_a_client_that_leaves_takes_its_upstream_along(world: World) -> None:
    """In mid-stream; nothing stays reserved."""
    cut = sum(row.outcome == "cut" for row in world.fake.bill)
    connection = http.client.HTTPConnection(urlsplit(world.service.status()["address"]).netloc)
    body = {"model": "frontier", "stream": True, "input": f"say: {'one two ' * 200}"}
    headers = {"authorization": f"Bearer {world.client.api_key}"}
    connection.request("POST", "/v1/responses", json.dumps(body), headers)
    connection.getresponse().read1()
    connection.close()
    world.fake.wait_for(lambda: sum(row.outcome == "cut" for row in world.fake.bill) > cut)
    spend = world.service.spend
    eventually(lambda: not Decimal(spend()["frontier"]["reserved_usd"]))


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The starter model in the real llama.cpp server."""
    starter_engine_environment()
    starter_model()
    with Service(tmp_path_factory.mktemp("responses-starter"), STARTER) as service:
        yield service


@pytest.mark.parametrize("streamed", [False, True])
def test_the_starter_answers_in_this_dialect(starter: Service, streamed: bool) -> None:
    """llama.cpp calls a cut answer complete in its own Responses, so we ask it in another dialect.

    (xllamacpp: `response.completed`, status `completed`, whatever ended the text; its events
    have no numbers either, which the SDK's helper needs.)
    """
    asked: dict[str, Any] = {"model": "local", "input": "Tell me a story", "max_output_tokens": 4}
    asked["instructions"] = "Tell long stories."
    with starter.client() as client:
        if not streamed:
            response = client.responses.create(**asked)
        else:
            *_, last = client.responses.create(stream=True, **asked)
            response = last.response
    assert response.status == "incomplete"
    assert response.usage.output_tokens == 4
    assert response.output_text
    assert response.instructions == "Tell long stories."


@pytest.fixture(scope="module")
def relayed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, FakeOpenAI]]:
    """A local server that speaks Responses itself."""
    with FakeOpenAI(pace_seconds=0.01) as fake:
        tier = LOCAL_SERVER.format(base_url=f"{fake.base_url}/v1") + 'speaks = ["responses"]\n'
        with Service(tmp_path_factory.mktemp("relayed"), tier) as service:
            yield service, fake


def test_a_server_that_speaks_this_dialect_is_relayed(relayed: tuple[Service, FakeOpenAI]) -> None:
    """Event for event; what it may not see is left out and named."""
    service, fake = relayed
    with service.client() as client:
        raw = client.responses.with_raw_response.create(
            model="local", input="say: hello", metadata={"a": "b"}
        )
        assert raw.parse().output_text == "hello"
        assert raw.headers["x-twotier-dropped"] == "metadata"
        with client.responses.stream(model="local", input="say: hello") as stream:
            (message,) = stream.get_final_response().output
    assert message.type == "message"
    assert fake.bodies[-1]["input"] == "say: hello"
    assert fake.bodies[-1]["stream"] is True
    assert "metadata" not in fake.bodies[-1]
    row = service.spend()["local"]
    assert (row["input_tokens"], row["output_tokens"]) != (0, 0)


def test_where_something_is_at_stake_such_a_server_is_asked_in_chat_completions(
    relayed: tuple[Service, FakeOpenAI],
) -> None:
    """What it says in this dialect is neither repaired nor checked."""
    service, fake = relayed
    tools: Any = [{"type": "function", "name": "f", "parameters": {}, "strict": False}]
    form: Any = {"format": {"type": "json_schema", "name": "x", "schema": {"type": "string"}}}
    with service.client() as client:
        with client.responses.stream(model="local", input="use the tool", tools=tools) as stream:
            call = stream.get_final_response().output[-1]
        assert isinstance(call, ResponseFunctionToolCall)
        assert fake.bodies[-1]["messages"]
        client.responses.create(model="local", input="say: hello", text=form)
        assert fake.bodies[-1]["response_format"]["type"] == "json_schema"


def test_tools_that_only_openai_knows_are_said_to_such_a_server_as_functions(
    relayed: tuple[Service, FakeOpenAI],
) -> None:
    """It would leave them out in silence; its chat completions take them as functions."""
    service, fake = relayed
    tools: Any = [{"type": "custom", "name": "patch"}]
    with service.client() as client:
        response = client.responses.create(model="local", input="use the tool", tools=tools)
    call = response.output[-1]
    assert isinstance(call, ResponseCustomToolCall)
    assert (call.name, call.input) == ("patch", "Köln 🙂")
    assert fake.bodies[-1]["tools"][0]["function"]["name"] == "patch"


def test_a_relayed_stream_that_breaks_ends_with_an_error(
    relayed: tuple[Service, FakeOpenAI],
) -> None:
    """Under the name and number that the server's own events had."""
    service, fake = relayed
    events = fake_stream({"model": "toy", "input": "hi"}, Thought("one two three four"))
    fake.queue(Raw(tuple(event.encode() for event in events[:6])))
    with service.client() as client:
        stream = client.responses.create(model="local", input="hi", stream=True)
        seen = [next(stream).type for _ in range(6)]
        assert seen[-1] == "response.output_text.delta"
        with pytest.raises(openai.APIError, match="incomplete"):
            next(stream)
