"""A conversation written as a Messages body, and judged by rules as strict as the API's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from tests.fakes.anthropic_rules import blocks, check
from tests.protocols.conversations import conversations
from twotier.domain.message import (
    Conversation,
    Image,
    Message,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from twotier.errors import RequestError
from twotier.protocols.anthropic_messages import write_request
from twotier.protocols.anthropic_messages.write import CACHED_PREFIX_BYTES_MIN, OPENING, valid_id

MODEL = "claude-opus-4-6"
HI = Message("user", (Text("hi"),))
LONG = Message("system", (Text("rule " * CACHED_PREFIX_BYTES_MIN),))
TOOL = Tool("f", "F", {"properties": {"a": {}}}, strict=True)


def write(*messages: Message, model: str = MODEL, cache: bool = True, **fields: Any) -> Any:
    conversation = Conversation(messages or (HI,), **fields)
    out = write_request(conversation, model=model, max_output_tokens=5, stream=True, cache=cache)
    return json.loads(out.body), out.unsaid


@settings(max_examples=100, deadline=None)
@given(conversations())
def test_the_api_would_accept_every_conversation(conversation: Conversation) -> None:
    body = json.loads(
        write_request(conversation, model=MODEL, max_output_tokens=5, stream=True).body
    )
    if body.get("tool_choice", {}).get("type") == "tool":
        body["tool_choice"]["name"] = body["tools"][0]["name"]  # may name any, in the property
    check(body, output_tokens_max=1000, signatures={})


@settings(max_examples=100, deadline=None)
@given(conversations())
def test_what_can_be_said_is_kept(conversation: Conversation) -> None:
    """Every text that is not blank, every image, call and result comes out, in order."""
    body, _ = write(
        *conversation.messages, **{name: getattr(conversation, name) for name in ("tools", "stop")}
    )
    said = [part for message in conversation.messages for part in message.parts]
    sent = [block for turn in body["messages"] for block in blocks(turn)]
    texts = [b["text"] for b in [*body.get("system", []), *sent] if b["type"] == "text"]
    assert texts == [part.text for part in said if isinstance(part, Text) and part.text.strip()]
    assert [(b["id"], b["name"], b["input"]) for b in sent if b["type"] == "tool_use"] == [
        (part.id, part.name, json.loads(part.arguments))
        for part in said
        if isinstance(part, ToolCall)
    ]
    assert [b["tool_use_id"] for b in sent if b["type"] == "tool_result"] == [
        part.call_id for part in said if isinstance(part, ToolResult)
    ]
    assert [t["name"] for t in body.get("tools", [])] == [t.name for t in conversation.tools]
    assert tuple(body.get("stop_sequences", ())) == conversation.stop


def test_the_system_prompt_stands_apart_and_turns_are_merged() -> None:
    body, unsaid = write(
        Message("system", (Text("a"), Text(""))),
        HI,
        Message("system", (Text("late"), Image(url="https://e.com/x"))),
        Message("user", (Text("there"), Text(" "))),
        Message("assistant", (Text(""),)),
        Message("user", (Text("!"),)),
    )
    assert [block["text"] for block in body["system"]] == ["a", "late"]
    assert [turn["role"] for turn in body["messages"]] == ["user"]
    assert [block["text"] for block in body["messages"][0]["content"]] == ["hi", "there", "!"]
    assert (body["max_tokens"], body["stream"], unsaid) == (5, True, ())


def test_results_come_first_in_the_turn_that_follows_their_calls() -> None:
    body, _ = write(
        HI,
        Message("assistant", (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "f", ""))),
        Message("tool", (ToolResult("a", (Text("one"),)),)),
        Message("user", (Text("by the way"),)),
        Message("tool", (ToolResult("b", (Text(""),), failed=True),)),
    )
    use_a, use_b = body["messages"][1]["content"]
    assert (use_a["input"], use_b["input"]) == ({"x": 1}, {})
    first, second, third = body["messages"][2]["content"]
    assert first["content"] == [{"type": "text", "text": "one"}]
    assert second == {"type": "tool_result", "tool_use_id": "b", "is_error": True}
    assert third["text"] == "by the way"


def test_only_thinking_that_anthropic_signed_is_sent() -> None:
    body, _ = write(
        HI, Message("assistant", (Reasoning("x"), Reasoning("y", "sig"), Text("a"))), HI
    )
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "y", "signature": "sig"},
        {"type": "text", "text": "a"},
    ]


def test_a_conversation_that_begins_with_the_assistant_gets_an_opening() -> None:
    body, _ = write(Message("assistant", (Text("Welcome"),)), HI)
    assert body["messages"][0] == {"role": "user", "content": [{"type": "text", "text": OPENING}]}


def test_nothing_to_answer_is_refused() -> None:
    with pytest.raises(RequestError, match="nothing to answer"):
        write(Message("system", (Text("a"),)), Message("user", (Text(" "),)))


def test_ids_are_made_valid_stably_and_apart() -> None:
    assert valid_id("call_Ab-9") == "call_Ab-9"
    assert valid_id("call:1") == valid_id("call:1") != valid_id("call.1")
    assert valid_id("").strip("_")
    body, _ = write(
        HI,
        Message("assistant", (ToolCall("functions.f:0", "f", "{}"),)),
        Message("tool", (ToolResult("functions.f:0", ()),)),
    )
    use, result = body["messages"][1]["content"][0], body["messages"][2]["content"][0]
    assert use["id"] == result["tool_use_id"] == valid_id("functions.f:0")


@pytest.mark.parametrize("arguments", ['{"a": ', "[1]", "null", "[" * 100_000])
def test_broken_arguments_of_the_past_do_not_block_a_conversation(arguments: str) -> None:
    body, _ = write(
        HI, Message("assistant", (ToolCall("a", "f", arguments),)), Message("user", (Text("?"),))
    )
    assert body["messages"][1]["content"][0]["input"] == {"unparsed": arguments}


def test_images_are_sent_by_url_or_inline() -> None:
    parts = (Image(url="https://e.com/a"), Image(data="AAAA", media_type="image/png"))
    body, _ = write(Message("user", parts))
    assert [block["source"] for block in body["messages"][0]["content"]] == [
        {"type": "url", "url": "https://e.com/a"},
        {"type": "base64", "media_type": "image/png", "data": "AAAA"},
    ]


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (None, None),
        (ToolChoice("auto"), {"type": "auto"}),
        (ToolChoice("auto", parallel=False), {"type": "auto", "disable_parallel_tool_use": True}),
        (
            ToolChoice("required", parallel=True),
            {"type": "any", "disable_parallel_tool_use": False},
        ),
        (ToolChoice("none", parallel=False), {"type": "none"}),
        (ToolChoice("tool", "f"), {"type": "tool", "name": "f"}),
    ],
)
def test_tools_and_every_choice_are_written(choice: ToolChoice | None, written: Any) -> None:
    body, _ = write(tools=(TOOL, Tool("g", "", {})), tool_choice=choice)
    assert body["tools"] == [
        {
            "name": "f",
            "description": "F",
            "input_schema": {"type": "object", "properties": {"a": {}}},
            "strict": True,
        },
        {"name": "g", "input_schema": {"type": "object", "properties": {}}},
    ]
    assert body.get("tool_choice") == written
    assert "tool_choice" not in write(tool_choice=ToolChoice("none"))[0]


@pytest.mark.parametrize(
    ("model", "given_fields", "written", "unsaid"),
    [
        (MODEL, {"temperature": 0.5}, {"temperature": 0.5}, ()),
        (MODEL, {"temperature": 1.7}, {"temperature": 1.0}, ("temperature",)),
        (MODEL, {"top_p": 0.5}, {"top_p": 0.5}, ()),
        (MODEL, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5}, ("top_p",)),
        ("claude-opus-4-7", {"temperature": 0.5, "top_p": 0.5}, {}, ("temperature", "top_p")),
        ("claude-opus-4-7", {}, {}, ()),
        (MODEL, {"stop": ("END", "\n")}, {"stop_sequences": ["END"]}, ("stop",)),
        (MODEL, {"user": "u"}, {"metadata": {"user_id": "u"}}, ()),
        (MODEL, {"output_schema": {}}, {}, ("response_format",)),
        (MODEL, {"unsaid": ("seed",)}, {}, ("seed",)),
    ],
)
def test_settings_are_written_where_the_model_takes_them(
    model: str, given_fields: Any, written: Any, unsaid: tuple[str, ...]
) -> None:
    body, named = write(model=model, **given_fields)
    assert body.keys() - {"model", "max_tokens", "stream", "messages"} == written.keys()
    assert {name: body[name] for name in written} == written
    assert named == unsaid


def test_the_schema_of_the_answer_is_closed_as_the_api_wants() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": [{"type": "object", "properties": {}}]}},
    }
    body, _ = write(output_schema=schema)
    form = body["output_config"]["format"]
    assert form["type"] == "json_schema"
    assert form["schema"]["additionalProperties"] is False
    assert form["schema"]["properties"]["a"]["items"][0]["additionalProperties"] is False
    assert "additionalProperties" not in schema


def test_limits_the_api_refuses_are_said_in_words() -> None:
    """Lengths and patterns move into the description; a property may still be called `pattern`."""
    line = {"type": "string", "minLength": 1, "maxLength": 120, "description": "one line"}
    schema = {
        "type": "object",
        "properties": {
            "pattern": {"type": "string"},
            "lines": {"type": "array", "items": line, "minItems": 3, "maxItems": 3},
        },
    }
    body, _ = write(output_schema=schema)
    properties = body["output_config"]["format"]["schema"]["properties"]
    assert properties["pattern"] == {"type": "string"}
    assert properties["lines"] == {
        "type": "array",
        "items": {"type": "string", "description": "one line (minLength: 1, maxLength: 120)"},
        "description": "(minItems: 3, maxItems: 3)",
    }


MARK = {"type": "ephemeral"}


def test_a_long_prefix_is_marked_once_at_its_end() -> None:
    body, _ = write(LONG, HI, tools=(TOOL,))
    assert body["system"][-1]["cache_control"] == MARK
    assert "cache_control" not in body["tools"][-1]
    described = Tool("g", "long " * CACHED_PREFIX_BYTES_MIN, {})
    assert write(tools=(TOOL, described))[0]["tools"][-1]["cache_control"] == MARK


def test_no_mark_where_it_gains_nothing_or_the_client_set_its_own() -> None:
    assert "cache_control" not in json.dumps(write(Message("system", (Text("short"),)), HI)[0])
    assert "cache_control" not in json.dumps(write(LONG, HI, cache=False)[0])
    own, _ = write(LONG, Message("user", (Text("mine", cached=True),)))
    assert "cache_control" not in own["system"][-1]
    assert own["messages"][0]["content"][0]["cache_control"] == MARK
