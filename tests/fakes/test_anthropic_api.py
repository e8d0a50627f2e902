"""The fake is what it claims to be: the official SDK talks to it, and it refuses what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.fakes.anthropic_api import Behaviour, FakeAnthropic

MODEL = "claude-opus-4-6"
WEATHER: Any = {
    "name": "weather",
    "description": "The weather in a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}
RULES = " ".join(["rule"] * 100)
CLOCK: Any = {"name": "clock", "input_schema": {"type": "object", "properties": {}}}


@pytest.fixture
def fake() -> Iterator[FakeAnthropic]:
    with FakeAnthropic(cache_tokens_min=50) as served:
        yield served


@pytest.fixture
def client(fake: FakeAnthropic) -> Iterator[anthropic.Anthropic]:
    old = {"anthropic-version": "2023-06-01"}  # the version we speak; the SDK speaks the next one
    with anthropic.Anthropic(
        base_url=fake.base_url, api_key=fake.key, max_retries=0, default_headers=old
    ) as made:
        yield made


def user(text: Any) -> Any:
    return [{"role": "user", "content": text}]


def test_a_whole_message_is_read_by_the_sdk_and_billed(
    fake: FakeAnthropic, client: anthropic.Anthropic
) -> None:
    message = client.messages.create(model=MODEL, max_tokens=100, messages=user("hello"))
    assert message.content[0].type == "text"
    assert message.content[0].text == "You said: hello"
    assert message.stop_reason == "end_turn"
    row = fake.bill[0]
    assert (row.outcome, row.output_tokens) == ("completed", message.usage.output_tokens)
    assert row.microusd == 5 * message.usage.input_tokens + 25 * message.usage.output_tokens
    assert fake.billed_microusd == row.microusd


def test_a_stream_adds_up_to_the_whole_message(
    fake: FakeAnthropic, client: anthropic.Anthropic
) -> None:
    with client.messages.stream(
        model=MODEL, max_tokens=100, messages=user("say: Grüße 🙂")
    ) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert text == "Grüße 🙂"
    assert message.usage.output_tokens == fake.bill[0].output_tokens
    assert message.stop_reason == "end_turn"


def test_a_tool_is_called_and_its_result_used(
    fake: FakeAnthropic, client: anthropic.Anthropic
) -> None:
    del fake
    ask = user("use the tool")
    with client.messages.stream(
        model=MODEL, max_tokens=100, messages=ask, tools=[WEATHER]
    ) as stream:
        message = stream.get_final_message()
    call = message.content[1]
    assert call.type == "tool_use"
    assert call.input == {"city": "Köln 🙂", "days": 7}
    assert message.stop_reason == "tool_use"
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    turns = [*ask, {"role": "assistant", "content": message.content}, *user([result])]
    final = client.messages.create(model=MODEL, max_tokens=100, messages=turns, tools=[WEATHER])
    assert final.content[0].type == "text"
    assert final.content[0].text == "The tool said: sunny"


def test_parallel_calls_can_be_switched_off(client: anthropic.Anthropic) -> None:
    def calls(choice: Any) -> int:
        message = client.messages.create(
            model=MODEL,
            max_tokens=200,
            messages=user("use both tools"),
            tools=[WEATHER, CLOCK],
            tool_choice=choice,
        )
        return sum(block.type == "tool_use" for block in message.content)

    assert calls({"type": "auto"}) == 2
    assert calls({"type": "auto", "disable_parallel_tool_use": True}) == 1


def test_thinking_comes_signed_and_is_taken_back_only_unchanged(
    client: anthropic.Anthropic,
) -> None:
    with client.messages.stream(
        model=MODEL,
        max_tokens=2000,
        thinking={"type": "adaptive"},
        messages=user("hello"),
    ) as stream:
        message = stream.get_final_message()
    thinking = message.content[0]
    assert thinking.type == "thinking"
    turns: Any = [*user("hello"), {"role": "assistant", "content": message.content}, *user("more")]
    client.messages.create(model=MODEL, max_tokens=100, messages=turns)
    forged = {"type": "thinking", "thinking": "other", "signature": thinking.signature}
    turns[1] = {"role": "assistant", "content": [forged]}
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
        client.messages.create(model=MODEL, max_tokens=100, messages=turns)


def test_thinking_may_be_redacted_or_only_signed(client: anthropic.Anthropic) -> None:
    """Both go back as they came; the text of the second is empty."""
    ask = user("hello fake:redacted")
    redacted = client.messages.create(
        model=MODEL, max_tokens=2000, thinking={"type": "adaptive"}, messages=ask
    )
    assert redacted.content[0].type == "redacted_thinking"
    omitted = client.messages.create(
        model=MODEL,
        max_tokens=2000,
        thinking={"type": "adaptive", "display": "omitted"},
        messages=user("hello"),
    )
    assert omitted.content[0].type == "thinking"
    assert omitted.content[0].thinking == ""
    turns: Any = [
        *ask,
        {"role": "assistant", "content": redacted.content},
        *user("more"),
        {"role": "assistant", "content": omitted.content},
        *user("more"),
    ]
    client.messages.create(model=MODEL, max_tokens=100, messages=turns)
    turns[1] = {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "forged"}]}
    with pytest.raises(anthropic.BadRequestError, match="Invalid `data`"):
        client.messages.create(model=MODEL, max_tokens=100, messages=turns)


def test_tokens_are_counted_for_nothing(fake: FakeAnthropic, client: anthropic.Anthropic) -> None:
    """As many as the answer's usage says; a limit has no place there."""
    counted = client.messages.count_tokens(model=MODEL, messages=user("hello there"))
    assert fake.bill == []
    asked = client.messages.create(model=MODEL, max_tokens=5, messages=user("hello there"))
    assert counted.input_tokens == asked.usage.input_tokens
    with pytest.raises(anthropic.BadRequestError, match="max_tokens: Extra inputs"):
        client.messages.count_tokens(model=MODEL, messages=user("x"), extra_body={"max_tokens": 5})


def test_beta_fields_need_a_beta_header(fake: FakeAnthropic, client: anthropic.Anthropic) -> None:
    """What came with it is noted."""
    edits: Any = {"edits": [{"type": "clear_tool_uses_20250919"}]}
    client.beta.messages.create(
        model=MODEL,
        max_tokens=5,
        messages=user("hi"),
        context_management=edits,
        betas=["context-management-2025-06-27"],
        extra_query={"beta": "true"},
    )
    assert fake.headers[-1]["anthropic-beta"] == "context-management-2025-06-27"
    assert fake.queries[-1] == "beta=true"
    with pytest.raises(anthropic.BadRequestError, match="context_management: Extra inputs"):
        client.messages.create(
            model=MODEL,
            max_tokens=5,
            messages=user("hi"),
            extra_body={"context_management": edits},
        )


def test_a_marked_prefix_is_written_once_and_read_after_that(
    fake: FakeAnthropic, client: anthropic.Anthropic
) -> None:
    system: Any = [{"type": "text", "text": RULES, "cache_control": {"type": "ephemeral"}}]

    def ask(text: str) -> Any:
        return client.messages.create(
            model=MODEL, max_tokens=50, system=system, messages=user(text)
        ).usage

    first, second = ask("one"), ask("two")
    assert (first.cache_creation_input_tokens, first.cache_read_input_tokens) == (100, 0)
    assert (second.cache_creation_input_tokens, second.cache_read_input_tokens) == (0, 100)
    assert first.input_tokens == second.input_tokens
    assert fake.bill[0].microusd - fake.bill[1].microusd == 575  # 625 to write, 50 to read


def test_an_hour_of_cache_has_its_own_count_and_price(
    fake: FakeAnthropic, client: anthropic.Anthropic
) -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    system: Any = [{"type": "text", "text": RULES, "cache_control": mark}]
    usage = client.messages.create(
        model=MODEL, max_tokens=50, system=system, messages=user("hi")
    ).usage
    assert usage.cache_creation is not None
    assert usage.cache_creation.ephemeral_1h_input_tokens == 100
    assert fake.bill[0].cache_write_1h_tokens == 100


def test_max_tokens_and_stop_sequences_end_the_answer(client: anthropic.Anthropic) -> None:
    short = client.messages.create(model=MODEL, max_tokens=2, messages=user("say: one two three"))
    assert (short.stop_reason, short.usage.output_tokens) == ("max_tokens", 2)
    stopped = client.messages.create(
        model=MODEL, max_tokens=20, messages=user("say: a STOP b"), stop_sequences=["STOP"]
    )
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "STOP")


def test_a_schema_is_answered_with_an_object_that_fits(client: anthropic.Anthropic) -> None:
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}},
        "additionalProperties": False,
    }
    message = client.messages.create(
        model=MODEL,
        max_tokens=50,
        messages=user("go"),
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )
    assert message.content[0].type == "text"
    assert message.content[0].text == '{"ok": true}'


@pytest.mark.parametrize(
    ("behaviour", "error", "status"),
    [
        (Behaviour.RATE_LIMITED, anthropic.RateLimitError, 429),
        (Behaviour.BROKEN, anthropic.InternalServerError, 500),
        (Behaviour.OVERLOADED, anthropic.InternalServerError, 529),
    ],
)
def test_errors_come_with_their_status_and_are_not_billed(
    fake: FakeAnthropic,
    client: anthropic.Anthropic,
    behaviour: Behaviour,
    error: type[anthropic.APIStatusError],
    status: int,
) -> None:
    with pytest.raises(error) as caught:
        client.messages.create(model=MODEL, max_tokens=5, messages=user(behaviour.value))
    assert caught.value.status_code == status
    assert caught.value.response.headers["request-id"].startswith("req_")
    if status != 500:
        assert caught.value.response.headers["retry-after"] == "7"
    assert fake.bill == []


def test_overload_can_come_inside_a_good_stream(
    fake: FakeAnthropic, client: anthropic.Anthropic
) -> None:
    fake.queue(Behaviour.OVERLOADED_IN_STREAM)
    with (
        pytest.raises(anthropic.APIStatusError, match="Overloaded"),
        client.messages.stream(
            model=MODEL, max_tokens=50, messages=user("say: one two three four")
        ) as stream,
    ):
        stream.until_done()
    assert fake.bill[0].outcome == "cut"
    assert 0 < fake.bill[0].output_tokens < 10


def test_a_caller_who_leaves_is_billed_what_was_sent(
    fake: FakeAnthropic, client: anthropic.Anthropic
) -> None:
    fake.queue(Behaviour.STALL)
    with client.messages.stream(
        model=MODEL, max_tokens=50, messages=user("say: one two three four")
    ) as stream:
        next(iter(stream.text_stream))
    fake.wait_for(lambda: fake.bill[0].outcome == "cut")
    assert fake.bill[0].output_tokens == 3


@pytest.mark.parametrize("key", ["", "sk-ant-wrong"])
def test_a_wrong_key_is_refused(fake: FakeAnthropic, key: str) -> None:
    headers: Any = {} if key else {"Authorization": anthropic.Omit()}
    with (
        anthropic.Anthropic(base_url=fake.base_url, api_key=key or "x", max_retries=0) as client,
        pytest.raises(anthropic.AuthenticationError),
    ):
        client.messages.create(
            model=MODEL, max_tokens=5, messages=user("hi"), extra_headers=headers
        )


def shown(**block: Any) -> Any:
    return {"messages": user([block])}


def test_turns_of_one_role_are_one_where_a_test_wants_the_api_as_it_is() -> None:
    """The real one joins them; ours are refused, because no writer of ours may make any."""
    with (
        FakeAnthropic(joins_turns=True) as fake,
        anthropic.Anthropic(base_url=fake.base_url, api_key=fake.key, max_retries=0) as client,
    ):
        turns = [*user("a"), *user("say: b")]
        message = client.messages.create(model=MODEL, max_tokens=50, messages=turns)
    assert message.content[0].type == "text"
    assert message.content[0].text == "b"


THINK = {"type": "enabled", "budget_tokens": 1024}
HOUR = {"type": "ephemeral", "ttl": "1h"}


def use(call: str) -> Any:
    return {"type": "tool_use", "id": call, "name": "weather", "input": {}}


def result(call: str) -> Any:
    return {"type": "tool_result", "tool_use_id": call, "content": "x"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"max_tokens": None}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": 0}, "greater than or equal to 1"),
        ({"max_tokens": 999_999}, "maximum allowed number of output tokens"),
        ({"n": 2}, "n: Extra inputs are not permitted"),
        ({"temperature": 1.5}, "temperature: range: 0..1"),
        ({"temperature": 1, "top_p": 0.5}, "cannot both be specified"),
        ({"model": "claude-opus-4-7", "temperature": 1}, "`temperature` is deprecated"),
        ({"stop_sequences": ["\n"]}, "non-whitespace"),
        ({"system": [{"type": "text", "text": ""}]}, "text content blocks must be non-empty"),
        ({"tool_choice": {"type": "auto"}}, "only be specified while providing tools"),
        ({"tools": [{"name": "bad name", "input_schema": {}}]}, "name: String should match"),
        ({"messages": []}, "at least one message"),
        ({"messages": user("")}, "text content blocks must be non-empty"),
        ({"messages": user(" ")}, "must contain non-whitespace text"),
        ({"messages": [*user("a"), *user("b")]}, "roles must alternate"),
        ({"messages": [{"role": "system", "content": "a"}]}, "first message must use"),
        (
            {"messages": [*user("a"), {"role": "system", "content": "b"}]},
            "role 'system' is not supported on this model",
        ),
        ({"messages": [*user("a"), {"role": "assistant", "content": "b"}]}, "prefill"),
        (
            {"messages": [*user("a"), {"role": "assistant", "content": [use("t:1")]}]},
            "tool_use.id: String should match",
        ),
        (
            {"messages": [*user("a"), {"role": "assistant", "content": [use("t1")]}, *user("b")]},
            "without `tool_result` blocks immediately after: t1",
        ),
        ({"messages": user([result("t9")])}, "unexpected `tool_use_id`"),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            "'additionalProperties' must be",
        ),
        (
            {"model": "claude-opus-4-7", "max_tokens": 2000, "thinking": THINK},
            "thinking.type.enabled is not supported",
        ),
        ({"model": "claude-haiku-4-5", "thinking": {"type": "adaptive"}}, "adaptive is not"),
        ({"thinking": THINK}, "`max_tokens` must be greater"),
        ({"thinking": {"type": "adaptive"}, "temperature": 0.5}, "may only be set to 1"),
        ({"thinking": {"type": "adaptive"}, "top_k": 5}, "`top_k` must be unset"),
        (
            {
                "max_tokens": 2000,
                "thinking": THINK,
                "tools": [WEATHER],
                "tool_choice": {"type": "any"},
            },
            "Thinking may not be enabled when tool_choice forces tool use",
        ),
        (
            {
                "max_tokens": 2000,
                "thinking": THINK,
                "messages": [
                    *user("a"),
                    {"role": "assistant", "content": [use("t1")]},
                    *user([result("t1")]),
                ],
            },
            "must start with a thinking block",
        ),
        ({"output_config": {"effort": "xhigh"}}, "effort 'xhigh' is not supported"),
        ({"service_tier": "flex"}, "service_tier: Input should be"),
        ({"metadata": {"team": "a"}}, "metadata: Extra inputs"),
        (
            {
                "system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
                **shown(type="text", text="b", cache_control=HOUR),
            },
            "must not come after",
        ),
        (
            shown(type="document", source={"type": "base64", "media_type": "text/html"}),
            "document: media_type",
        ),
        (shown(type="search_result", source=5), "search_result.source"),
        (shown(type="mystery"), "'mystery' does not match"),
        ({"tools": [{**WEATHER, "strict": True}]}, "'additionalProperties' must be"),
    ],
)
def test_what_the_real_api_refuses_is_refused(
    client: anthropic.Anthropic, change: dict[str, Any], sentence: str
) -> None:
    body: dict[str, Any] = {"model": MODEL, "max_tokens": 5, "messages": user("hi")}
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.post("/v1/messages", body=body | change, cast_to=object)
    assert sentence in str(caught.value)


def test_the_newer_api_version_takes_no_temperature(fake: FakeAnthropic) -> None:
    with anthropic.Anthropic(base_url=fake.base_url, api_key=fake.key, max_retries=0) as newer:
        newer.messages.create(model=MODEL, max_tokens=5, messages=user("hi"))
        with pytest.raises(anthropic.BadRequestError, match="temperature: removed"):
            newer.messages.create(
                model=MODEL, max_tokens=5, messages=user("hi"), extra_body={"temperature": 1}
            )


def test_an_unknown_model_is_not_found(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="model: claude-none"):
        client.messages.create(model="claude-none", max_tokens=5, messages=user("hi"))
