"""The official openai SDK against the whole program: a real local server, the faithful frontier."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionMessage

from tests.engines.fixtures import tiny_minimax
from tests.fakes.anthropic_api import FakeAnthropic
from tests.story.service import FRONTIER, Service, eventually, mlx
from tests.toys.tiny_minimax import RESULT, TOOLS

pytestmark = [pytest.mark.slow, pytest.mark.engine]


@dataclass
class World:
    """What runs while these tests do."""

    service: Service
    fake: FakeAnthropic
    client: openai.OpenAI

    def billed(self) -> Decimal:
        """What the frontier says we owe, in USD."""
        return Decimal(self.fake.billed_microusd) / 1_000_000


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Real mlx-lm with the tiny M2 model, the fake frontier, and twotier between them."""
    folder = tmp_path_factory.mktemp("clients")
    with FakeAnthropic(retry_after="1") as fake:
        frontier = FRONTIER.format(base_url=fake.base_url)
        env = {"FRONTIER_KEY": fake.key}
        with Service(folder, mlx(tiny_minimax()), frontier, env=env) as service:
            yield World(service, fake, service.client())


def ask(text: str) -> list[Any]:
    """One user turn."""
    return [{"role": "user", "content": text}]


def said(reply: ChatCompletion) -> str:
    """The text of an answer, without the empty lines mlx-lm leaves after the thinking."""
    return (reply.choices[0].message.content or "").strip()


@pytest.mark.parametrize(
    ("model", "text", "answer"),
    [
        ("local", "hello", "Hello from the local tier."),
        ("m25", "hello", "Hello from the local tier."),
        ("frontier", "say: good day", "good day"),
        ("opus", "say: good day", "good day"),
        ("claude-opus-4-6", "say: good day", "good day"),
        ("anthropic/claude-opus-4-6", "say: good day", "good day"),
        ("anthropic/claude-haiku-4-5", "say: small", "small"),
        ("auto", "say: good day", "good day"),
    ],
)
def test_a_chat_is_answered_by_the_tier_its_name_means(
    world: World, model: str, text: str, answer: str
) -> None:
    """Tiers, aliases, full refs, bare and passed-through vendor ids, and auto."""
    raw = world.client.chat.completions.with_raw_response.create(model=model, messages=ask(text))
    reply = raw.parse()
    assert said(reply) == answer
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.completion_tokens > 0
    local = model in ("local", "m25")
    assert raw.headers["x-twotier-tier"] == ("local" if local else "frontier")
    assert raw.headers["x-twotier-rule"] == ("default" if model == "auto" else "explicit")
    assert (Decimal(raw.headers["x-twotier-cost-usd"]) == 0) is local
    assert raw.headers["x-twotier-cost"] == "settled"


def test_the_full_ref_of_the_local_model_is_split_at_the_first_slash(world: World) -> None:
    """`provider/model`, where the model may hold more slashes."""
    ref = world.service.tier("local")["ref"]
    assert ref.startswith("mlx-local/")
    reply = world.client.chat.completions.create(model=ref, messages=ask("news"))
    assert said(reply) == "no new comments"


def test_auto_reads_the_words_and_stays_local(world: World) -> None:
    """The article's tree: polling costs nothing."""
    raw = world.client.chat.completions.with_raw_response.create(
        model="auto", messages=ask("Check for new comments"), max_tokens=8
    )
    assert raw.headers["x-twotier-tier"] == "local"
    assert raw.headers["x-twotier-rule"] == "polling"


@pytest.mark.parametrize(
    ("model", "text", "answer"),
    [
        ("local", "hello", "Hello from the local tier."),
        ("frontier", "say: one two three", "one two three"),
        ("auto", "say: one two three", "one two three"),
    ],
)
def test_a_stream_comes_in_pieces_and_ends_with_its_usage(
    world: World, model: str, text: str, answer: str
) -> None:
    """Both tiers, through the SDK's own parser."""
    stream = world.client.chat.completions.create(
        model=model, messages=ask(text), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    texts = [c.choices[0].delta.content for c in chunks if c.choices]
    pieces = [text for text in texts if text]
    assert "".join(pieces).strip() == answer
    assert len(pieces) > 1
    finishes = [c.choices[0].finish_reason for c in chunks if c.choices]
    assert [one for one in finishes if one] == ["stop"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens > 0


@pytest.mark.parametrize("model", ["local", "frontier"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_call_and_its_result_go_through(world: World, model: str, streamed: bool) -> None:
    """A whole round trip: tools down, a call up, its result down, the answer up."""
    text = "probe" if model == "local" else "please use the tool"
    messages = ask(text)
    tools: Any = TOOLS
    message = first_message(world.client, model, messages, streamed=streamed)
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    assert call.type == "function"
    assert call.function.name == "read_file"
    assert "path" in call.function.arguments
    messages = [
        *messages,
        message.model_dump(exclude_none=True, exclude={"parsed"}),
        {"role": "tool", "tool_call_id": call.id, "content": RESULT},
    ]
    final = world.client.chat.completions.create(model=model, messages=messages, tools=tools)
    assert RESULT in said(final)


def first_message(
    client: openai.OpenAI, model: str, messages: list[Any], *, streamed: bool
) -> ChatCompletionMessage:
    """The answer with tools offered, whole or put together by the SDK from a stream."""
    tools: Any = TOOLS
    if not streamed:
        reply = client.chat.completions.create(model=model, messages=messages, tools=tools)
        return reply.choices[0].message
    with client.chat.completions.stream(model=model, messages=messages, tools=tools) as stream:
        return stream.get_final_completion().choices[0].message


def test_the_ledger_says_what_the_provider_bills(world: World) -> None:
    """To the micro-dollar, over everything this module has asked."""
    world.client.chat.completions.create(model="frontier", messages=ask("say: count me"))
    # The client has its answer before the row is settled.
    row = eventually(lambda: settled(world.service))
    assert Decimal(row["cost_usd"]) == world.billed()
    assert row["unknown"] == 0
    assert Decimal(world.service.spend()["local"]["cost_usd"]) == 0


def settled(service: Service) -> dict[str, Any] | None:
    """The frontier's row once nothing of it is held any more."""
    row = service.spend()["frontier"]
    return None if Decimal(row["reserved_usd"]) else row


def test_the_list_of_models_holds_every_name(world: World) -> None:
    """As the SDK parses it."""
    names = {model.id for model in world.client.models.list()}
    assert {"auto", "local", "frontier", "opus", "m25", "anthropic/claude-opus-4-6"} <= names


def test_wrong_names_keys_and_bodies_are_told_apart(world: World) -> None:
    """404 for a name, 401 for a key, 400 for a body; each says what to do."""
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-9' here; known: auto"):
        world.client.chat.completions.create(model="gpt-9", messages=ask("x"))
    stranger = world.service.client(key="tt-wrong")
    with pytest.raises(openai.AuthenticationError, match="twotier key show"):
        stranger.models.list()
    with pytest.raises(openai.BadRequestError):
        world.client.chat.completions.create(model="local", messages=[])


@pytest.mark.parametrize(
    ("trouble", "error", "status"),
    [
        ("fake:429", openai.RateLimitError, 429),
        ("fake:529", openai.InternalServerError, 529),
        ("fake:500", openai.InternalServerError, 500),
        ("fake:html", openai.InternalServerError, 502),
        ("fake:overloaded-in-stream", openai.APIError, None),
    ],
)
def test_the_frontiers_errors_keep_their_meaning(
    world: World, trouble: str, error: type[openai.APIError], status: int | None
) -> None:
    """The status, the type and `retry-after` reach the client; nothing becomes a success."""
    with pytest.raises(error) as caught:
        world.client.chat.completions.create(model="frontier", messages=ask(f"{trouble} please"))
    if status is not None:
        assert isinstance(caught.value, openai.APIStatusError)
        assert caught.value.status_code == status
    if status == 429:
        assert isinstance(caught.value, openai.APIStatusError)
        assert caught.value.response.headers["retry-after"] == "1"
    # So that one test's failures are not the beginning of the next one's open breaker.
    world.client.chat.completions.create(model="frontier", messages=ask("say: well"))


@pytest.mark.parametrize("trouble", ["fake:cut", "fake:clean-cut"])
@pytest.mark.parametrize("streamed", [False, True])
def test_half_an_answer_is_never_a_success(world: World, trouble: str, streamed: bool) -> None:
    """A cut stream is an error the client sees, and a marked row that covers the bill."""
    world.client.chat.completions.create(model="frontier", messages=ask("say: well"))
    before = world.service.spend()["frontier"]["estimated"]
    messages = ask(f"{trouble} say: a b c d e f")
    with pytest.raises(openai.APIError):
        whole(world.client, messages, streamed=streamed)
    # The client has its error before the row is settled.
    eventually(lambda: world.service.spend()["frontier"]["estimated"] == before + 1)
    assert Decimal(world.service.spend()["frontier"]["cost_usd"]) >= world.billed()


def whole(client: openai.OpenAI, messages: list[Any], *, streamed: bool) -> None:
    """Ask the frontier and read to the end."""
    if streamed:
        list(client.chat.completions.create(model="frontier", messages=messages, stream=True))
    else:
        client.chat.completions.create(model="frontier", messages=messages)


def test_local_only_never_reaches_the_frontier(world: World) -> None:
    """Asked by a header, whatever the model's name."""
    seen = len(world.fake.bill)
    with pytest.raises(openai.PermissionDeniedError, match="local-only"):
        world.client.chat.completions.create(
            model="opus", messages=ask("x"), extra_headers={"x-twotier-policy": "local-only"}
        )
    raw = world.client.chat.completions.with_raw_response.create(
        model="auto",
        messages=ask("Refactor everything in full"),
        max_tokens=8,
        extra_headers={"x-twotier-policy": "local-only"},
    )
    assert raw.headers["x-twotier-tier"] == "local"
    assert len(world.fake.bill) == seen


def test_headers_of_a_client_do_not_make_it_a_job(world: World) -> None:
    """From TCP headers may restrict, never widen: names of jobs and runs are not believed."""
    world.client.chat.completions.create(
        model="local", messages=ask("news"), extra_headers={"x-twotier-job": "forged"}
    )
    assert "forged" not in world.service.spend(by="job")


def test_the_key_of_the_frontier_is_nowhere_in_the_folder(world: World) -> None:
    """Not in a log, not in a database, not in the status; nor the client's key."""
    folder: Path = world.service.folder
    client_key = world.service.paths.client_key
    for path in folder.rglob("*"):
        if path.is_file() and path != client_key:
            held = path.read_bytes()
            assert world.fake.key.encode() not in held, path
            assert client_key.read_bytes().strip() not in held, path
