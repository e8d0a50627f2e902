"""The official anthropic SDK against the whole program.

`local` is real llama.cpp, which speaks Messages itself and is relayed; `mini` is real mlx-lm with
the tiny M2 model, which is translated; `frontier` is the faithful fake.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import anthropic
import pytest

from tests.engines.fixtures import starter_engine_environment, starter_model, tiny_minimax
from tests.fakes.anthropic_api import FakeAnthropic
from tests.protocols.pdfs import pdf
from tests.story.service import FRONTIER, STARTER, Service, eventually, mlx
from tests.toys.tiny_minimax import FINAL, RESULT, TOOLS

pytestmark = [pytest.mark.slow, pytest.mark.engine]

READ_FILE: Any = {
    "name": "read_file",
    "description": TOOLS[0]["function"]["description"],
    "input_schema": TOOLS[0]["function"]["parameters"],
}
TIERS = ["local", "mini", "frontier"]


@dataclass
class World:
    """What runs while these tests do."""

    service: Service
    fake: FakeAnthropic
    client: anthropic.Anthropic


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two real local servers, the fake frontier, and twotier between them."""
    folder = tmp_path_factory.mktemp("messages")
    assert starter_engine_environment()
    assert starter_model()
    with FakeAnthropic(retry_after="2") as fake:
        parts = (
            STARTER,
            mlx(tiny_minimax()).replace("tiers.local", "tiers.mini"),
            FRONTIER.format(base_url=fake.base_url),
        )
        with Service(folder, *parts, env={"FRONTIER_KEY": fake.key}) as service:
            eventually(lambda: service.tier("mini")["state"] == "ready")
            with client_of(service) as client:
                yield World(service, fake, client)


def client_of(service: Service, key: str = "", **more: Any) -> anthropic.Anthropic:
    """The SDK, pointed at the one port, without retries of its own."""
    return anthropic.Anthropic(
        base_url=service.status()["address"],
        api_key=key or service.paths.client_key.read_text(encoding="ascii").strip(),
        max_retries=0,
        timeout=90,
        **more,
    )


def user(content: Any) -> Any:
    """One user turn."""
    return [{"role": "user", "content": content}]


def said(message: Any) -> str:
    """The text of an answer."""
    return "".join(block.text for block in message.content if block.type == "text").strip()


@pytest.mark.parametrize(
    ("model", "text", "answer"),
    [
        ("local", "hello", None),
        ("mini", "hello", "Hello from the local tier."),
        ("frontier", "say: good day", "good day"),
        ("claude-haiku-4-5", "say: small", "small"),
        ("auto", "say: good day", "good day"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_message_is_answered_by_the_tier_its_name_means(
    world: World, model: str, text: str, answer: str | None, streamed: bool
) -> None:
    """Whole, and put together by the SDK's helper; with a usage that was counted."""
    given: Any = {"model": model, "max_tokens": 64, "messages": user(text)}
    if streamed:
        with world.client.messages.stream(**given) as stream:
            pieces = list(stream.text_stream)
            message = stream.get_final_message()
            tier = stream.response.headers["x-twotier-tier"]
        assert "".join(pieces).strip() == said(message)
    else:
        raw = world.client.messages.with_raw_response.create(**given)
        message, tier = raw.parse(), raw.headers["x-twotier-tier"]
    assert tier == (model if model in TIERS else "frontier")
    assert said(message) == answer or (answer is None and said(message))
    assert message.stop_reason in ("end_turn", "max_tokens")
    assert (message.type, message.role) == ("message", "assistant")
    prompt = message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0)
    assert prompt > 0
    assert message.usage.output_tokens > 0


def test_a_local_models_thinking_is_a_block_without_a_signature(world: World) -> None:
    """Translated from what mlx-lm calls reasoning."""
    message = world.client.messages.create(model="mini", max_tokens=64, messages=user("hello"))
    assert message.id.startswith("msg_")
    thinking = message.content[0]
    assert thinking.type == "thinking"
    assert (thinking.thinking.strip(), thinking.signature) == ("Greet.", "")


@pytest.mark.parametrize("model", ["mini", "frontier"])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_call_and_its_result_go_through(world: World, model: str, streamed: bool) -> None:
    """A whole round trip: tools down, a call up, its result down, the answer up."""
    ask = user("probe" if model == "mini" else "please use the tool")
    given: Any = {"model": model, "max_tokens": 400, "tools": [READ_FILE]}
    message = answered(world.client, streamed=streamed, messages=ask, **given)
    (call,) = (block for block in message.content if block.type == "tool_use")
    assert (message.stop_reason, call.name) == ("tool_use", "read_file")
    assert "path" in call.input
    result = {"type": "tool_result", "tool_use_id": call.id, "content": RESULT}
    turns = [*ask, {"role": "assistant", "content": message.content}, *user([result])]
    final = answered(world.client, streamed=streamed, messages=turns, **given)
    assert said(final) == (FINAL if model == "mini" else f"The tool said: {RESULT}")


def answered(client: anthropic.Anthropic, *, streamed: bool, **given: Any) -> Any:
    """The answer, whole or put together by the SDK from a stream."""
    if not streamed:
        return client.messages.create(**given)
    with client.messages.stream(**given) as stream:
        return stream.get_final_message()


@pytest.mark.parametrize("choice", ["", "auto", "any", "none", "tool"])
def test_llama_cpp_is_asked_by_chat_where_there_are_tools(world: World, choice: str) -> None:
    """There bodies are mended and answers checked; its Messages take `none` for `auto`, and a name
    for any. Relayed answers have its own ids.
    """
    if not choice:
        asked = world.client.messages.create(model="local", max_tokens=4, messages=user("Hello"))
        assert asked.id.startswith("chatcmpl-")
        return
    chosen: Any = {"type": choice, "name": "read_file"} if choice == "tool" else {"type": choice}
    message = world.client.messages.create(
        model="local",
        max_tokens=4,
        tools=[READ_FILE],
        tool_choice=chosen,
        messages=user("Read notes.txt"),
    )
    assert message.id.startswith("msg_")


def test_a_structured_answer_fits_its_schema_on_a_local_server(world: World) -> None:
    """Its Messages would leave the schema out."""
    schema = {
        "type": "object",
        "properties": {"good": {"type": "boolean"}},
        "required": ["good"],
        "additionalProperties": False,
    }
    message = world.client.messages.create(
        model="local",
        max_tokens=64,
        messages=user("Is it good?"),
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )
    assert json.loads(said(message)).keys() == {"good"}


def test_a_document_reaches_a_server_whose_messages_would_drop_it(world: World) -> None:
    """As text where it is text; a PDF is refused by name, never left out."""

    def ask(**source: Any) -> Any:
        block = {"type": "document", "title": "notes", "source": source}
        return world.client.messages.with_raw_response.create(
            model="local", max_tokens=8, messages=user([block, {"type": "text", "text": "?"}])
        )

    raw = ask(type="text", media_type="text/plain", data="word " * 200)
    counted = raw.parse().usage
    assert counted.input_tokens + (counted.cache_read_input_tokens or 0) > 200
    with pytest.raises(anthropic.APIStatusError):
        ask(type="base64", media_type="application/pdf", data=pdf(1))


def test_what_one_tier_cannot_be_told_goes_to_the_next_it_may_use(world: World) -> None:
    """A remote tool runs on Anthropic's servers only; `local` by its name refuses, and says why."""
    given: Any = {
        "max_tokens": 8,
        "messages": user("Check for new comments"),
        "mcp_servers": [{"type": "url", "name": "a", "url": "https://e.com"}],
        "betas": ["mcp-client-2025-11-20"],
    }
    raw = world.client.beta.messages.with_raw_response.create(model="auto", **given)
    assert (raw.headers["x-twotier-rule"], raw.headers["x-twotier-tier"]) == ("polling", "frontier")
    assert "mcp_servers" in raw.headers["x-twotier-fallback"]
    with pytest.raises(anthropic.BadRequestError, match="mcp_servers: its tools run on"):
        world.client.beta.messages.create(model="local", **given)


def test_thinking_goes_back_and_forth_with_its_signature(world: World) -> None:
    """In the middle of a tool call, and where nobody may read it."""
    given: Any = {
        "model": "frontier",
        "max_tokens": 4000,
        "thinking": {"type": "adaptive"},
        "tools": [READ_FILE],
    }
    for text in ("use the tool", "use the tool fake:redacted"):
        ask = user(text)
        message = answered(world.client, streamed=True, messages=ask, **given)
        assert message.content[0].type in ("thinking", "redacted_thinking")
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": RESULT}
            for block in message.content
            if block.type == "tool_use"
        ]
        turns = [*ask, {"role": "assistant", "content": message.content}, *user(results)]
        assert RESULT in said(answered(world.client, streamed=True, messages=turns, **given))


def test_a_conversation_that_a_local_model_began_goes_on_at_the_frontier(world: World) -> None:
    """Its thinking has no signature, and would make the API refuse all of it."""
    ask = user("probe")
    given: Any = {"max_tokens": 4000, "tools": [READ_FILE], "messages": ask}
    message = world.client.messages.create(model="mini", **given)
    assert message.content[0].type == "thinking"
    (call,) = (block for block in message.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": call.id, "content": RESULT, "is_error": False}
    turns: Any = [*ask, {"role": "assistant", "content": message.content}, *user([result])]
    raw = world.client.messages.with_raw_response.create(
        model="frontier",
        max_tokens=4000,
        tools=[READ_FILE],
        messages=turns,
        thinking={"type": "enabled", "budget_tokens": 2000},
    )
    assert said(raw.parse()) == f"The tool said: {RESULT}"
    assert raw.headers["x-twotier-dropped"] == "messages[].content[].thinking, thinking"


def test_tokens_are_counted_by_whoever_can(world: World) -> None:
    """By llama.cpp, by the API, and by their length where the server cannot; for nothing."""
    eventually(lambda: not Decimal(world.service.spend()["frontier"]["reserved_usd"]))
    billed, spent = world.fake.billed_microusd, world.service.spend()["frontier"]["cost_usd"]
    ask = user("one two three four five six seven eight")
    counts = {
        model: world.client.messages.count_tokens(
            model=model, messages=ask, system="be brief"
        ).input_tokens
        for model in TIERS
    }
    assert all(5 < count < 100 for count in counts.values()), counts
    assert world.fake.counted[-1]["model"] == "claude-opus-4-6"
    assert world.fake.billed_microusd == billed
    assert world.service.spend()["frontier"]["cost_usd"] == spent


def test_beta_headers_queries_and_new_fields_reach_the_api(world: World) -> None:
    """And whatever else a newer client says."""
    edits: Any = {"edits": [{"type": "clear_tool_uses_20250919"}]}
    world.client.beta.messages.create(
        model="frontier",
        max_tokens=8,
        messages=user([{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]),
        context_management=edits,
        metadata={"user_id": "u1"},
        betas=["context-management-2025-06-27", "new-thing-2027-01-01"],
        extra_query={"beta": "true"},
    )
    assert world.fake.queries[-1] == "beta=true"
    headers = world.fake.headers[-1]
    assert headers["anthropic-beta"] == "context-management-2025-06-27,new-thing-2027-01-01"
    assert headers["x-api-key"] == world.fake.key
    sent = world.fake.bodies[-1]
    assert (sent["context_management"], sent["metadata"]) == (edits, {"user_id": "u1"})
    assert sent["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}


def test_what_a_local_server_may_not_see_is_named(world: World) -> None:
    """In a header, never dropped in silence; relayed and translated."""
    for model in ("local", "mini"):
        raw = world.client.messages.with_raw_response.create(
            model=model,
            max_tokens=8,
            messages=user("hello"),
            extra_body={"context_management": {"edits": []}, "inference_geo": "eu"},
        )
        assert raw.headers["x-twotier-dropped"] == "context_management, inference_geo"


@pytest.mark.parametrize(
    ("trouble", "error", "kind"),
    [
        ("fake:429", anthropic.RateLimitError, "rate_limit_error"),
        ("fake:529", anthropic.OverloadedError, "overloaded_error"),
        ("fake:500", anthropic.InternalServerError, "api_error"),
        ("fake:html", anthropic.InternalServerError, "api_error"),
        ("fake:overloaded-in-stream say: a b c d e", anthropic.APIStatusError, "overloaded_error"),
        ("fake:cut say: a b c d e", anthropic.APIStatusError, "api_error"),
        ("fake:clean-cut say: a b c d e", anthropic.APIStatusError, "api_error"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_the_frontiers_errors_keep_their_meaning(
    world: World, trouble: str, error: type[anthropic.APIStatusError], kind: str, streamed: bool
) -> None:
    """The status, the type and `retry-after` reach the client; nothing becomes a success."""
    given: Any = {"model": "frontier", "max_tokens": 50, "messages": user(trouble)}
    with pytest.raises(error) as caught:
        answered(world.client, streamed=streamed, **given)
    assert caught.value.type == kind
    if kind == "rate_limit_error":
        assert caught.value.response.headers["retry-after"] == "2"
    # So that one test's failures are not the beginning of the next one's open breaker.
    world.client.messages.create(model="frontier", max_tokens=8, messages=user("say: well"))


def test_wrong_names_keys_and_bodies_are_told_apart(world: World) -> None:
    """Each with the type that the SDK has a class for."""
    given: Any = {"max_tokens": 8, "messages": user("x")}
    with pytest.raises(anthropic.NotFoundError, match="no model 'gpt-9' here"):
        world.client.messages.create(model="gpt-9", **given)
    with (
        client_of(world.service, "tt-wrong") as stranger,
        pytest.raises(anthropic.AuthenticationError, match="twotier key"),
    ):
        stranger.messages.create(model="local", **given)
    with pytest.raises(anthropic.BadRequestError, match="messages: is empty"):
        world.client.messages.create(model="local", max_tokens=8, messages=[])
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        world.client.messages.create(
            model="local", max_tokens=8, messages=user("hello there " * 8000)
        )
    with pytest.raises(anthropic.PermissionDeniedError, match="local-only"):
        world.client.messages.create(
            model="frontier", **given, extra_headers={"x-twotier-policy": "local-only"}
        )


def test_the_key_may_come_as_either_header(world: World) -> None:
    """Bearer, as SDKs send it since version 2, and x-api-key as before."""
    key = world.service.paths.client_key.read_text(encoding="ascii").strip()
    omitted: Any = {"Authorization": anthropic.Omit(), "x-api-key": key}
    with client_of(world.service, default_headers=omitted) as older:
        assert older.messages.create(
            model="frontier", max_tokens=8, messages=user("say: hi")
        ).content


def test_a_client_that_leaves_takes_its_upstream_along(world: World) -> None:
    """In mid-answer; nothing stays reserved."""
    asked, cut = len(world.fake.bill), sum(row.outcome == "cut" for row in world.fake.bill)
    with world.client.messages.stream(
        model="frontier", max_tokens=50, messages=user("fake:stall say: one two three four")
    ) as stream:
        next(iter(stream.text_stream))
    assert len(world.fake.bill) == asked + 1
    world.fake.wait_for(lambda: sum(row.outcome == "cut" for row in world.fake.bill) > cut)
    eventually(lambda: not Decimal(world.service.spend()["frontier"]["reserved_usd"]))


def test_the_ledger_says_what_the_provider_bills(world: World) -> None:
    """For one more answer, to the micro-dollar."""

    def cost() -> Decimal:
        return Decimal(world.service.spend()["frontier"]["cost_usd"]) * 1_000_000

    eventually(lambda: not Decimal(world.service.spend()["frontier"]["reserved_usd"]))
    before, billed = cost(), world.fake.billed_microusd
    world.client.messages.create(model="frontier", max_tokens=50, messages=user("say: count me"))
    eventually(lambda: cost() - before == world.fake.billed_microusd - billed)


def test_the_list_of_models_is_the_sdks(world: World) -> None:
    """Every name a client may use."""
    names = {model.id for model in world.client.models.list()}
    assert {"auto", *TIERS, "opus"} <= names


def test_a_talk_is_kept_in_the_frontier_s_cache_and_its_price_is_the_bill(world: World) -> None:
    """Nobody marked anything: the second turn reads what the first one wrote, at a tenth."""
    long = "Answer in one word, whatever is said. " * 900
    turns = user("say: one")
    first = world.client.messages.with_raw_response.create(
        model="frontier", max_tokens=64, system=long, messages=turns
    )
    turns += [{"role": "assistant", "content": said(first.parse())}, *user("say: two")]
    second = world.client.messages.with_raw_response.create(
        model="frontier", max_tokens=64, system=long, messages=turns
    )
    written, read = first.parse().usage, second.parse().usage
    assert written.cache_creation_input_tokens
    assert read.cache_read_input_tokens == written.cache_creation_input_tokens
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    span = {"since": today.isoformat(), "until": (today + timedelta(days=1)).isoformat()}
    eventually(lambda: not Decimal(world.service.spend()["frontier"]["reserved_usd"]))
    told = world.service.main.get("/control/savings", span)
    assert told["columns"]["P"]["usd"] == world.service.spend()["frontier"]["cost_usd"]
    assert float(told["columns"]["A"]["usd"]) > float(told["columns"]["B"]["usd"])
    assert told["frontier"] == "anthropic/claude-opus-4-6"
    for raw, row in zip((first, second), world.fake.bill[-2:], strict=True):
        assert Decimal(raw.headers["x-twotier-cost-usd"]) * 1_000_000 == row.microusd
