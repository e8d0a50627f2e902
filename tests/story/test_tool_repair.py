"""Tool calls that a real mlx-lm server passed on as text reach the client as calls, or not at all.

The tiny M2 model writes what models of its size write: a call without its wrapper, one in another
family's words, a quoted one, a broken one.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.engines.fixtures import tiny_minimax
from tests.fakes.anthropic_api import FakeAnthropic
from tests.story.service import FRONTIER, Service, mlx
from tests.toys.tiny_minimax import ARGUMENTS, TOOLS

LIMIT = 60  # tokens: enough for everything that the model says but two calls


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The real server, and a frontier that takes over where it fails."""
    folder = tmp_path_factory.mktemp("repair")
    with FakeAnthropic() as fake:
        frontier = FRONTIER.format(base_url=fake.base_url)
        local = f"{mlx(tiny_minimax())}output_tokens_default = {LIMIT}\n"
        with Service(folder, local, frontier, env={"FRONTIER_KEY": fake.key}) as up:
            yield up


def asked(service: Service, text: str, *, streamed: bool, **more: Any) -> Any:
    """What the SDK makes of an answer: its first choice."""
    messages: Any = [{"role": "user", "content": text}]
    tools: Any = TOOLS
    ask = {"model": "local", "messages": messages, "tools": tools, **more}
    with service.client() as client:
        if not streamed:
            return client.chat.completions.create(**ask).choices[0]
        with client.chat.completions.stream(**ask) as stream:
            return stream.get_final_completion().choices[0]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("text", ["probe", "thinking", "bare", "other"])
def test_a_call_is_a_call_however_it_was_written(
    service: Service, text: str, streamed: bool
) -> None:
    """As its server parses it, inside the thinking, without a wrapper, in another family's way."""
    choice = asked(service, text, streamed=streamed)
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert call.function.name == "read_file"
    assert json.loads(call.function.arguments) == ARGUMENTS
    assert "<" not in (choice.message.content or "")


@pytest.mark.parametrize("streamed", [False, True])
def test_two_calls_stay_two(service: Service, streamed: bool) -> None:
    """Parallel calls that the server understood are none of our business."""
    calls = asked(service, "two", streamed=streamed, max_tokens=200).message.tool_calls
    assert [json.loads(call.function.arguments)["path"] for call in calls] == [
        "notes.txt",
        "list.txt",
    ]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_quoted_call_stays_text(service: Service, streamed: bool) -> None:
    """Inside a fence it is an example."""
    choice = asked(service, "quoted", streamed=streamed)
    assert choice.finish_reason == "stop"
    assert not choice.message.tool_calls
    assert choice.message.content.strip().endswith("</invoke>\n```")


def test_a_call_that_was_cut_is_never_run(service: Service) -> None:
    """Nobody knows what the rest of it would have been."""
    choice = asked(service, "bare", streamed=False, max_tokens=24)
    assert choice.finish_reason == "length"
    assert not choice.message.tool_calls
    with pytest.raises(openai.LengthFinishReasonError) as cut:
        asked(service, "bare", streamed=True, max_tokens=24)
    message = cut.value.completion.choices[0].message
    assert "<invoke" in (message.content or "")
    assert not message.tool_calls


def test_a_call_that_our_own_limit_cut_is_asked_for_again(service: Service) -> None:
    """This server swallows it: nothing came but the thinking, and more tokens than letters."""
    messages: Any = [{"role": "user", "content": "two"}]
    tools: Any = TOOLS
    with service.client() as client:
        answer = client.chat.completions.with_raw_response.create(
            model="local", messages=messages, tools=tools
        )
    assert f"limit of {LIMIT} tokens cut a tool call" in answer.headers["x-twotier-fallback"]
    assert len(answer.parse().choices[0].message.tool_calls or ()) == 2
    (row,) = service.status()["repairs"]
    assert row["kinds"]["cut"] >= 1


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_announced_and_not_made_is_a_failed_turn(service: Service, streamed: bool) -> None:
    """The server could not parse it, says `tool_calls` all the same, and has lost the text."""
    with pytest.raises(openai.APIError, match="no call could be read"):
        asked(service, "broken", streamed=streamed)
    # Another tier takes over where the request leaves that open, before a byte has gone out.
    assert asked(service, "broken", streamed=streamed, model="auto").finish_reason == "stop"


def offered(**properties: Any) -> Any:
    """The tool of the script with other arguments; its model was taught its name alone."""
    function = TOOLS[0]["function"]
    parameters = {**function["parameters"], "properties": properties}
    return [{"type": "function", "function": {**function, "parameters": parameters}}]


BENT = offered(
    path={"type": "string"},
    lines={"oneOf": [{"type": "integer", "minimum": 10}, {"type": "string"}]},
)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_that_its_server_bent_is_put_right_by_the_clients_schema(
    service: Service, streamed: bool
) -> None:
    """The server takes 3 for a number because it could be one; the client has no such number."""
    choice = asked(service, "probe", streamed=streamed, tools=BENT)
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert json.loads(call.function.arguments) == {"path": "notes.txt", "lines": "3"}


@pytest.mark.parametrize("streamed", [False, True])
def test_a_call_that_cannot_fit_is_a_failed_turn(service: Service, streamed: bool) -> None:
    """Though its server understood it. Before the first byte another tier takes over."""
    tools = offered(path={"enum": ["other.txt"]}, lines={"type": "integer"})
    with pytest.raises(openai.APIError, match="its call of read_file does not fit: path must be"):
        asked(service, "probe", streamed=streamed, tools=tools)
    taken = asked(service, "probe", streamed=streamed, tools=tools, model="auto")
    assert taken.finish_reason == "stop"
    assert not taken.message.tool_calls


def test_other_dialects_get_the_same_calls(service: Service) -> None:
    """What is repaired are events, so it does not matter what the client speaks."""
    base_url = service.client().base_url
    tool = TOOLS[0]["function"]
    with anthropic.Anthropic(
        base_url=str(base_url).removesuffix("/v1/"), api_key=service.client().api_key
    ) as client:
        message = client.messages.create(
            model="local",
            max_tokens=200,
            messages=[{"role": "user", "content": "other"}],
            tools=[{"name": tool["name"], "input_schema": tool["parameters"]}],
        )
    assert message.stop_reason == "tool_use"
    assert message.content[-1].type == "tool_use"
    assert message.content[-1].input == ARGUMENTS


def test_every_repair_is_counted_and_shown(service: Service) -> None:
    """By model and kind: in the status, in the ledger's file, and for Prometheus."""
    asked(service, "probe", streamed=True, tools=BENT)
    asked(service, "thinking", streamed=True)
    asked(service, "bare", streamed=False)
    (row,) = service.status()["repairs"]
    assert row["model"].startswith("mlx-local/")
    assert row["kinds"]["unwrapped"] >= 1
    assert row["kinds"]["bent"] >= 1
    said = service.command("status").stdout
    assert f"tool calls of {row['model']} in 7 days: " in said
    key = service.paths.client_key.read_text(encoding="ascii").strip()
    address = service.status()["address"]
    request = urllib.request.Request(f"{address}/metrics", headers={"x-api-key": key})
    with urllib.request.urlopen(request, timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    (counted,) = (line for line in lines if 'kind="unwrapped"' in line)
    assert counted.startswith("twotier_tool_call_repairs_total{")
    assert f'model="{row["model"]}"' in counted
