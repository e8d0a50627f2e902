"""A conversation is known again by how it begins, in every dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from twotier.domain.message import Dialect, Request
from twotier.protocols.opening import NONE, SESSION_CHARACTERS_MAX, Opening, opening


def of(dialect: Dialect = "openai_chat", **body: Any) -> Opening:
    """How a body begins."""
    return opening(Request(dialect, json.dumps(body).encode(), "auto"))


SYSTEM = {"role": "system", "content": "Be short."}
ASKED = {"role": "user", "content": "Why?"}
TOLD = {"role": "assistant", "content": "Because."}
TOOL = {"type": "function", "function": {"name": "look"}}
LOOKS = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
SEEN = {"role": "tool", "tool_call_id": "1", "content": "seen"}


def test_the_next_turn_begins_the_same() -> None:
    """What was added behind changes no name; whether it goes on, and with whose words, is told."""
    first = of(messages=[SYSTEM, ASKED], tools=[TOOL])
    assert (first.answered, first.own_words) == (False, True)
    assert len(first.template) == len(first.first) == 24
    then = of(messages=[SYSTEM, ASKED, TOLD, {"role": "user", "content": "And?"}], tools=[TOOL])
    called = of(messages=[SYSTEM, ASKED, LOOKS, SEEN], tools=[TOOL])
    for one in (then, called):
        assert (one.template, one.first, one.answered) == (first.template, first.first, True)
    assert (then.own_words, called.own_words) == (True, False)


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [{"role": "developer", "content": "Be long."}, ASKED], "tools": [TOOL]},
        {"messages": [SYSTEM, ASKED], "tools": [{"type": "web_search"}]},
        {"messages": [SYSTEM, ASKED]},
    ],
)
def test_other_instructions_or_tools_are_other_work(other: dict[str, Any]) -> None:
    """The first words are the same, the template is not."""
    first, one = of(messages=[SYSTEM, ASKED], tools=[TOOL]), of(**other)
    assert one.first == first.first
    assert one.template != first.template


def test_marks_for_a_cache_move_and_do_not_count() -> None:
    """Anthropic's messages: the same words with and without a mark, and as plain text."""
    mark = {"cache_control": {"type": "ephemeral"}}
    marked = [{"type": "text", "text": "Why?", **mark}]
    plain = of("anthropic_messages", system="Be short.", messages=[ASKED])
    later = of(
        "anthropic_messages",
        system=[{"type": "text", "text": "Be short.", **mark}],
        messages=[
            {"role": "user", "content": marked},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "look"}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1"}]},
        ],
    )
    assert (plain.template, plain.first) == (later.template, later.first)
    assert (later.answered, later.own_words) == (True, False)
    both = [{"type": "tool_result", "tool_use_id": "1"}, {"type": "text", "text": "And now?"}]
    assert of("anthropic_messages", messages=[{"role": "user", "content": both}]).own_words


def test_responses_are_read_by_their_items() -> None:
    """A text, a list of items, or what is kept elsewhere."""
    plain = of("openai_responses", instructions="Be short.", input="Why?")
    items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Why?"}]},
        {"type": "function_call", "call_id": "1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "seen"},
    ]
    later = of("openai_responses", instructions="Be short.", input=items)
    assert (plain.template, plain.first) == (later.template, later.first)
    assert (plain.answered, later.answered, later.own_words) == (False, True, False)
    assert of("openai_responses", input="And?", previous_response_id="resp_1").answered


def test_a_prompt_alone_and_what_is_no_conversation() -> None:
    """The oldest dialect has one text; odd forms are known by nothing and never an error."""
    assert of("openai_completions", prompt="Once").first
    assert of("openai_completions", prompt=[1, 2]).first == ""
    assert of(messages=[{"role": "user", "content": 7}]) == Opening(
        "", "", answered=False, own_words=True, session=""
    )
    assert of(messages=[]).own_words
    assert of(messages=[TOLD, ASKED]).first == of(messages=[ASKED]).first
    assert opening(Request("openai_chat", b'{"messages": 3}', "auto")) == NONE
    deep = b'{"messages": [{"role": "user", "content": ' + b"[" * 5_000 + b"]" * 5_000 + b"}]}"
    assert opening(Request("openai_chat", deep, "auto")).first == ""


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"prompt_cache_key": "abc"}, "abc"),
        ({"session_id": "s-1", "prompt_cache_key": "abc"}, "s-1"),
        ({"metadata": {"session_id": "m-1"}}, "m-1"),
        ({"metadata": {"user_id": "user_1_account__session_0a1b2c3d-4e5f"}}, "0a1b2c3d-4e5f"),
        ({"metadata": {"user_id": '{"device_id":"d","session_id":"0a1b2c3d"}'}}, "0a1b2c3d"),
        ({"metadata": {"user_id": "anna"}}, ""),
        ({"prompt_cache_key": "x" * 999}, "x" * SESSION_CHARACTERS_MAX),
    ],
)
def test_the_client_may_name_it(body: dict[str, Any], name: str) -> None:
    """An account alone is no conversation."""
    assert of(messages=[ASKED], **body).session == name
