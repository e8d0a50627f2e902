"""The same claims for every engine, made by a client of the whole program.

mlx-lm and llama.cpp are the real servers with real models, kept by us. Ollama, LM Studio and vLLM
are fakes of their documented wire (`tests/fakes/local_servers.py`), as strict as the real ones are
known to be. What a small real model cannot do (call a tool when it must) may fail, but only aloud:
by the error that names it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest

from tests.engines.fixtures import (
    mlx_environment,
    starter_engine_environment,
    starter_model,
    tiny_minimax,
)
from tests.fakes.local_servers import THOUGHT, FakeLmStudio, FakeLocal, FakeOllama, FakeVllm
from tests.story.service import STARTER, Service, mlx

pytestmark = [pytest.mark.slow, pytest.mark.engine, pytest.mark.timeout(600)]

FAKES: dict[str, type[FakeLocal]] = {
    "ollama": FakeOllama,
    "lmstudio": FakeLmStudio,
    "vllm": FakeVllm,
}
ENGINES = ("llama_cpp", "mlx_lm", *FAKES)
USER: Any = {"role": "user", "content": "hello"}
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "Looks.",
            "parameters": {
                "type": "object",
                "properties": {"path": {"type": ["string", "null"]}},
                "required": ["path"],
            },
        },
    }
    for name in ("look", "other")
]


@dataclass
class World:
    """The program with a tier for each engine, named like it."""

    service: Service
    fakes: dict[str, FakeLocal] = field(default_factory=dict)

    @property
    def client(self) -> openai.OpenAI:
        """The official SDK."""
        return self.service.client()

    def ask(self, engine: str, messages: Any, **more: Any) -> Any:
        """One answer."""
        more.setdefault("max_tokens", 8 if engine == "llama_cpp" else 48)  # the slow one
        return self.client.chat.completions.create(model=engine, messages=messages, **more)

    def try_to(self, engine: str, messages: Any, **more: Any) -> tuple[Any, str]:
        """An answer, or the sentence of its error."""
        try:
            return self.ask(engine, messages, **more), ""
        except openai.APIStatusError as error:
            return None, error.message

    def prompt(self, engine: str) -> list[dict[str, Any]] | None:
        """What a fake's template was given last; None for a real server."""
        return self.fakes[engine].prompts[-1] if engine in self.fakes else None

    def sent(self, engine: str) -> dict[str, Any] | None:
        """The body a fake was sent last."""
        return self.fakes[engine].bodies[-1] if engine in self.fakes else None


def tier(engine: str, fake: FakeLocal) -> str:
    """The few lines a person writes."""
    return (
        f'[tiers.{engine}]\nengine = "{engine}"\nmodel = "{fake.models[0]}"\n'
        f'base_url = "{fake.base_url}"\nwindow_tokens = 8192\n'
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One start for all claims."""
    starter_engine_environment()
    mlx_environment()
    starter_model()
    with contextlib.ExitStack() as stack:
        fakes = {name: stack.enter_context(kind()) for name, kind in FAKES.items()}
        parts = [
            STARTER.replace("tiers.local", "tiers.llama_cpp"),
            mlx(tiny_minimax()).replace("tiers.local", "tiers.mlx_lm"),
            *(tier(name, fake) for name, fake in fakes.items()),
        ]
        service = Service(tmp_path_factory.mktemp("engines"), *parts)
        service.up(ready="llama_cpp")
        stack.callback(service.__exit__, None, None, None)
        yield World(service, fakes)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_it_answers_whole_and_streamed_with_its_usage(world: World, engine: str) -> None:
    answer = world.ask(engine, [USER])
    assert answer.choices[0].message.content
    assert answer.usage.completion_tokens > 0
    chunks = list(world.ask(engine, [USER], stream=True, stream_options={"include_usage": True}))
    roles = [one.choices[0].delta.role for one in chunks if one.choices]
    assert [role for role in roles if role] == ["assistant"]
    assert "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
    assert chunks[-1].usage.completion_tokens > 0


def test_roles_that_its_template_does_not_know_are_folded(world: World, engine: str) -> None:
    """Nothing of what was said is lost on the way."""
    talk: Any = [
        {"role": "developer", "content": "Be brief."},
        USER,
        {"role": "system", "content": "Now in French."},
        USER,
    ]
    assert world.ask(engine, talk).choices
    if prompt := world.prompt(engine):
        assert [message["role"] for message in prompt] == ["system", "user", "user", "user"]
        assert prompt[0]["content"] == "Be brief."
        assert "Now in French." in prompt[2]["content"]


def test_a_history_that_others_wrote_is_mended(world: World, engine: str) -> None:
    """Broken arguments, a content of null and one of two texts, a result without a call."""
    function = {"name": "look", "arguments": '{"path": "no'}
    call = {"id": "c1", "type": "function", "function": function}
    talk: Any = [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "milk"},
        {"role": "assistant", "content": None},
        {"role": "tool", "tool_call_id": "c9", "content": "bread"},
        USER,
    ]
    assert world.ask(engine, talk).choices
    if prompt := world.prompt(engine):
        said = json.dumps(prompt)
        assert all(word in said for word in ("milk", "bread", "no"))
        assert prompt[1]["calls"][0] == {"unparsed": '{"path": "no'}
        assert prompt[0]["content"].startswith("a")


def test_thinking_comes_and_goes_back_under_the_right_names(world: World, engine: str) -> None:
    """A client sees `reasoning_content`; the server finds it where it looks."""
    answer = world.ask(engine, [{"role": "user", "content": "think"}])
    stream = world.ask(engine, [{"role": "user", "content": "think"}], stream=True)
    pieces = [one.choices[0].delta for one in stream if one.choices]
    if engine in world.fakes:
        assert answer.choices[0].message.reasoning_content == THOUGHT
        assert [getattr(piece, "reasoning_content", "") or "" for piece in pieces].count(THOUGHT)
        assert not any(getattr(piece, "reasoning", "") for piece in pieces)
    back = {"role": "assistant", "content": "a", "reasoning_content": THOUGHT}
    assert world.ask(engine, [USER, back, USER]).choices
    if prompt := world.prompt(engine):
        assert prompt[1]["thinking"] == THOUGHT


def test_no_tool_is_called_where_none_may_be(world: World, engine: str) -> None:
    use = [{"role": "user", "content": "use the tool"}]
    answer = world.ask(engine, use, tools=TOOLS, tool_choice="none")
    assert not answer.choices[0].message.tool_calls


@pytest.mark.parametrize("named", [False, True])
def test_a_tool_that_must_be_called_is_called_or_the_answer_fails(
    world: World, engine: str, named: bool
) -> None:
    """With the arguments' schema as plain as the server needs it."""
    wanted: Any = {"type": "function", "function": {"name": "other"}} if named else "required"
    use = [{"role": "user", "content": "use the tool"}]
    answer, failed = world.try_to(engine, use, tools=TOOLS, tool_choice=wanted)
    if failed:
        assert engine == "mlx_lm"
        assert "ask again, or another tier" in failed
        return
    choice = answer.choices[0]
    calls = choice.message.tool_calls or []
    assert calls or choice.finish_reason == "length"
    if named and calls:
        assert {call.function.name for call in calls} == {"other"}


def test_json_is_json_or_the_answer_fails(world: World, engine: str) -> None:
    form: Any = {"type": "json_object"}
    ask: Any = [{"role": "user", "content": 'say: {"a": 1}'}]
    answer, failed = world.try_to(engine, ask, response_format=form)
    if failed:
        assert engine == "mlx_lm"
        assert "ask again, or another tier" in failed
        return
    choice = answer.choices[0]
    assert choice.finish_reason == "length" or isinstance(json.loads(choice.message.content), dict)


def test_a_schema_that_some_choke_on_is_said_plainly(world: World, engine: str) -> None:
    """One that refers to itself: llama.cpp refuses it, and so did we, for a while, in its name."""
    around = {"type": "object", "properties": {"next": {"$ref": "#"}, "any": True}}
    form: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": around}}
    answer, failed = world.try_to(engine, [USER], response_format=form)
    assert answer or "ask again, or another tier" in failed
    if sent := world.sent(engine):
        assert ("$ref" in json.dumps(sent)) == (engine == "vllm")  # which reads every schema


def test_what_it_may_not_see_is_named(world: World, engine: str) -> None:
    raw = world.client.chat.completions.with_raw_response.create(
        model=engine,
        messages=[USER],
        max_tokens=8,
        temperature=None,
        extra_body={"store": True, "top_p": None},
    )
    assert raw.headers["x-twotier-dropped"] == "store"
    if sent := world.sent(engine):
        assert not sent.keys() & {"store", "top_p", "temperature"}
        assert sent["max_tokens"] == 8


def test_the_ledger_counted_every_answer(world: World, engine: str) -> None:
    """The rows say what the servers said."""
    assert world.ask(engine, [USER]).usage
    assert world.service.spend()[engine]["output_tokens"] > 0
