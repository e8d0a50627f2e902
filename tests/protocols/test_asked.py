"""What a request may cost beside its tokens, by its head, in every dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from twotier.domain.message import Request
from twotier.domain.price import PLAIN, Asked
from twotier.errors import RequestError
from twotier.protocols import openai_chat
from twotier.protocols.anthropic_messages.asked import FETCH_TOKENS_MAX, TURNS_MAX
from twotier.protocols.anthropic_messages.request import read_request as read_messages
from twotier.protocols.asked import SEARCH_TOKENS_MAX, UNDECIDED, long_lived, mode_of
from twotier.protocols.openai_responses.asked import HOSTED_CALLS_DEFAULT
from twotier.protocols.openai_responses.request import read_request as read_responses
from twotier.protocols.openai_responses.request import rewrite

SEARCH = {"type": "web_search_20260318", "name": "web_search", "max_uses": 3}
FETCH = {"type": "web_fetch_20260318", "name": "web_fetch", "max_uses": 2}
CODE = {"type": "code_execution_20260521", "name": "code_execution"}
OWN = {"name": "look", "input_schema": {"type": "object"}}


def messages(**fields: Any) -> Asked:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}
    return read_messages(json.dumps(body).encode()).asked


def chat(**fields: Any) -> Asked:
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], **fields}
    return openai_chat.read_request(json.dumps(body).encode()).asked


def responses(**fields: Any) -> Request:
    return read_responses(json.dumps({"model": "m", "input": "x", **fields}).encode())


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({}, PLAIN),
        ({"tools": [OWN, {"type": "custom", **OWN}, {"type": "bash_20250124"}]}, PLAIN),
        ({"speed": "fast"}, Asked(mode="fast")),
        ({"speed": "standard"}, PLAIN),
        ({"speed": 3}, PLAIN),
        ({"inference_geo": "us"}, Asked(place="us")),
        ({"context_management": {"edits": [{"type": "clear_thinking_20251015"}]}}, PLAIN),
        (
            {"context_management": {"edits": [{"type": "compact_20260112"}]}},
            Asked(turns=2, brought_tokens=SEARCH_TOKENS_MAX),
        ),
        (
            {"tools": [OWN, SEARCH]},
            Asked(uses=(("web_search", 3),), turns=4, brought_tokens=SEARCH_TOKENS_MAX),
        ),
        ({"tools": [{**SEARCH, "max_uses": 0}]}, Asked(uses=(("web_search", 0),))),
        (
            {"tools": [SEARCH, FETCH]},
            Asked(
                uses=(("web_search", 3), ("web_fetch", 2)),
                turns=6,
                brought_tokens=FETCH_TOKENS_MAX,
            ),
        ),
        (
            {"tools": [{**FETCH, "max_content_tokens": 5_000}]},
            Asked(uses=(("web_fetch", 2),), turns=3, brought_tokens=SEARCH_TOKENS_MAX),
        ),
        # The API stops by itself after ten samplings.
        (
            {"tools": [{**SEARCH, "max_uses": 99}]},
            Asked(uses=(("web_search", 99),), turns=TURNS_MAX, brought_tokens=SEARCH_TOKENS_MAX),
        ),
        ({"tools": [CODE]}, Asked(turns=TURNS_MAX, brought_tokens=SEARCH_TOKENS_MAX)),
        (
            {"mcp_servers": [{"type": "url", "url": "https://x", "name": "x"}]},
            Asked(turns=TURNS_MAX, brought_tokens=SEARCH_TOKENS_MAX),
        ),
    ],
)
def test_a_messages_request_says_what_it_may_cost(fields: dict[str, Any], asked: Asked) -> None:
    assert messages(**fields) == asked


@pytest.mark.parametrize("limit", [None, -1, "many"])
def test_a_tool_that_costs_by_use_needs_a_limit_that_is_one(limit: object) -> None:
    with pytest.raises(RequestError, match=r"tools\[0\].max_uses: is missing"):
        messages(tools=[{**SEARCH, "max_uses": limit}])


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({}, UNDECIDED),
        ({"service_tier": "auto"}, UNDECIDED),
        ({"service_tier": "default"}, PLAIN),
        ({"service_tier": "flex"}, Asked(mode="flex")),
        ({"service_tier": "fast"}, Asked(mode="priority")),
        ({"service_tier": {"odd": 1}}, UNDECIDED),
        (
            {"web_search_options": {}, "service_tier": "default"},
            Asked(always=(("web_search", 1),), turns=2, brought_tokens=SEARCH_TOKENS_MAX),
        ),
    ],
)
def test_a_chat_request_says_what_it_may_cost(fields: dict[str, Any], asked: Asked) -> None:
    assert chat(**fields) == asked


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({}, UNDECIDED),
        ({"service_tier": "default", "tools": [{"type": "function", "name": "f"}]}, PLAIN),
        ({"service_tier": "priority"}, Asked(mode="priority")),
        (
            {"tools": [{"type": "web_search_preview"}], "service_tier": "default"},
            Asked(
                uses=(("web_search", HOSTED_CALLS_DEFAULT),),
                turns=1 + HOSTED_CALLS_DEFAULT,
                brought_tokens=SEARCH_TOKENS_MAX,
            ),
        ),
        (
            {
                "tools": [
                    {"type": "file_search"},
                    {"type": "code_interpreter"},
                    {"type": "mcp"},
                ],
                "max_tool_calls": 2,
            },
            Asked(
                maybe=("priority",),
                uses=(("file_search", 2), ("code_interpreter", 1)),
                turns=3,
                brought_tokens=SEARCH_TOKENS_MAX,
            ),
        ),
    ],
)
def test_a_responses_request_says_what_it_may_cost(fields: dict[str, Any], asked: Asked) -> None:
    assert responses(**fields).asked == asked


def test_what_nothing_can_limit_is_named() -> None:
    assert responses(tools=[{"type": "image_generation"}]).asked.endless == "image_generation"


def test_hosted_calls_get_the_limit_that_was_counted_with_unless_the_client_set_one() -> None:
    """And nothing is set where there is no such tool, or where a server of ours is asked."""

    def sent(keep: frozenset[str] | None = None, **fields: Any) -> object:
        request = responses(**fields)
        out = rewrite(request, model="m", max_output_tokens=9, stream=False, keep=keep)
        return json.loads(out.body).get("max_tool_calls")

    tools = [{"type": "web_search"}]
    assert sent(tools=tools) == HOSTED_CALLS_DEFAULT
    assert sent(tools=tools, max_tool_calls=2) == 2
    assert sent() is None
    assert sent(frozenset(), tools=tools) is None


@pytest.mark.parametrize(
    ("body", "long"),
    [
        ({"cache_control": {"type": "ephemeral", "ttl": "1h"}}, True),
        ({"cache_control": {"type": "ephemeral"}, "ttl": "1h"}, False),
        ({"a": {"cache_control": {"type": "ephemeral"}}, "cache_control": {"ttl": "1h"}}, True),
        ({"prompt_cache_retention": "24h"}, True),
        ({"prompt_cache_key": "24"}, False),
        ({"text": 'cache_control "1h"'}, False),
        ({}, False),
    ],
)
def test_caches_that_live_long_are_found_in_the_body(body: dict[str, Any], long: bool) -> None:
    assert long_lived(json.dumps(body).encode()) is long


def test_half_an_object_is_looked_through_to_its_end() -> None:
    assert long_lived(b'{"cache_control": {"ttl": "1h"')


@pytest.mark.parametrize(
    ("said", "mode"),
    [
        ("default", "standard"),
        ("auto", ""),
        ("on_demand", ""),
        (None, ""),
        ("priority", "priority"),
    ],
)
def test_a_service_tier_is_a_mode_where_it_decides_something(said: object, mode: str) -> None:
    assert mode_of(said) == mode


def test_a_mode_that_is_no_value_decides_nothing() -> None:
    """A number that no float holds was an error of ours; whoever reads all of the body says so."""
    tail = b', "service_tier": 1e400}'
    asked = openai_chat.read_request(
        b'{"model": "m", "messages": [{"role": "user", "content": "x"}]' + tail
    ).asked
    assert asked == UNDECIDED
    assert read_responses(b'{"model": "m", "input": "x"' + tail).asked == UNDECIDED
