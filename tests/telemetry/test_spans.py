"""What a span says of an attempt, in the words of the GenAI conventions."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from twotier.domain.message import Usage
from twotier.domain.money import FREE, Attempt, Outcome, Settled, Settlement
from twotier.telemetry.spans import attributes, error_type, traces_at

ATTEMPT = Attempt(
    *("r1-0", "r1", "frontier", "anthropic", "claude-opus-4-6", "auto", "default"),
    FREE,
    0,
    client="laptop",
    dialect="openai_chat",
)
END = Settlement(
    Settled.SETTLED,
    Outcome.OK,
    cost_microusd=1_500,
    usage=Usage(10, 20, cache_read_tokens=3, cache_write_tokens=4, reasoning_tokens=6),
    model_served="claude-opus-4-6-20260205",
    upstream_status=200,
    first_token_seconds=0.3,
    total_seconds=2.0,
    finish="tool_calls",
)
NOTHING = Settlement(Settled.VOID, Outcome.ERROR, 0, error="tier_unavailable: refused")


def test_a_span_has_the_names_of_the_conventions() -> None:
    """They are those of the installed SDK, and input tokens are all that the model read."""
    from opentelemetry.semconv._incubating.attributes import (
        error_attributes,
        gen_ai_attributes,
        server_attributes,
    )

    known = {
        value
        for module in (gen_ai_attributes, server_attributes, error_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }
    told = attributes(ATTEMPT, END, server="https://api.anthropic.com")
    assert {name for name in told if not name.startswith("twotier.")} <= known
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "anthropic"
    assert told["gen_ai.request.model"] == "claude-opus-4-6"
    assert told["gen_ai.response.model"] == "claude-opus-4-6-20260205"
    assert told["gen_ai.response.finish_reasons"] == ("tool_calls",)
    assert told["gen_ai.usage.input_tokens"] == 10 + 3 + 4
    assert told["gen_ai.usage.cache_read.input_tokens"] == 3
    assert (told["server.address"], told["server.port"]) == ("api.anthropic.com", 443)
    assert told["twotier.cost_usd"] == 0.0015


def test_what_cannot_be_sent_costs_no_other_span() -> None:
    """Half a surrogate pair in what an upstream calls its model."""
    told = attributes(ATTEMPT, replace(END, model_served="m\ud83d"), server="")
    assert told["gen_ai.response.model"] == "m?"


def test_what_is_not_known_is_left_out() -> None:
    """A tier that was never reached has no model that served, no finish, no first token."""
    told = attributes(ATTEMPT, NOTHING, server="")
    absent = ("gen_ai.response.model", "gen_ai.response.finish_reasons", "server.address")
    assert [name for name in (*absent, "server.port", "twotier.job") if name in told] == []
    assert told["error.type"] == "tier_unavailable"


@pytest.mark.parametrize(
    ("dialect", "operation"),
    [
        ("openai_responses", "chat"),
        ("anthropic_messages", "chat"),
        ("openai_completions", "text_completion"),
        ("openai_embeddings", "embeddings"),
        ("anthropic_count", "count_tokens"),
    ],
)
def test_each_dialect_is_an_operation(dialect: str, operation: str) -> None:
    """In the conventions' words where they have one."""
    told = attributes(replace(ATTEMPT, dialect=dialect), END, server="")
    assert told["gen_ai.operation.name"] == operation


def test_an_error_has_a_type_of_few_values_and_no_sentence() -> None:
    """The upstream's status, else our code; a client that left is no error."""
    overloaded = replace(NOTHING, error="upstream_error: Overloaded", upstream_status=529)
    assert error_type(overloaded) == "529"
    assert error_type(replace(overloaded, upstream_status=0)) == "upstream_error"
    assert error_type(replace(END, outcome=Outcome.CANCELLED)) is None
    assert "Overloaded" not in str(attributes(ATTEMPT, overloaded, server=""))


@pytest.mark.parametrize("endpoint", ["http://a:4318", "http://a:4318/", "http://a:4318/v1/traces"])
def test_the_endpoint_is_the_collectors_base_or_the_whole_path(endpoint: str) -> None:
    """People write both."""
    assert traces_at(endpoint) == "http://a:4318/v1/traces"
