"""A conversation written as a Messages body, and judged by rules as strict as the API's own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.anthropic_rules import blocks, check
from tests.protocols.anthropic_messages.talks import MODELS, messes, talks
from tests.protocols.conversations import conversations
from twotier.domain.message import (
    Caching,
    Conversation,
    Document,
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
from twotier.protocols.anthropic_messages import read_conversation, write_request
from twotier.protocols.anthropic_messages.caching import marked
from twotier.protocols.anthropic_messages.ids import valid_id
from twotier.protocols.anthropic_messages.turns import OPENING
from twotier.protocols.freeform import SCHEMA, freeform

MODEL = "claude-opus-4-6"
HI = Message("user", (Text("hi"),))
TOOL = Tool("f", "F", {"properties": {"a": {}}}, strict=True)


def write(*messages: Message, model: str = MODEL, **fields: Any) -> Any:
    conversation = Conversation(messages or (HI,), **fields)
    out = write_request(conversation, model=model, max_output_tokens=5, stream=True)
    return json.loads(out.body), out.unsaid


SIGNATURES = {"signed": "hm", "sealed": ""}


@settings(max_examples=200, deadline=None)
@given(messes(), st.sampled_from(MODELS), st.sampled_from([5, 4_000, 64_000]))
def test_the_api_would_accept_whatever_a_client_put_together(
    conversation: Conversation, model: str, limit: int
) -> None:
    """Every model, every wish for thinking, results and calls in any order, ids used twice."""
    out = write_request(conversation, model=model, max_output_tokens=limit, stream=True)
    check(json.loads(out.body), output_tokens_max=100_000, signatures=SIGNATURES)
    kept = marked(out.body, Caching("1h", "5m"))
    check(json.loads(kept), output_tokens_max=100_000, signatures=SIGNATURES)


@settings(max_examples=100, deadline=None)
@given(talks())
def test_what_is_written_is_read_again(conversation: Conversation) -> None:
    """The same conversation, to the last breakpoint."""
    out = write_request(conversation, model=MODEL, max_output_tokens=4_000, stream=True)
    assert out.unsaid == ()
    assert spaced(read_conversation(out.body)) == spaced(conversation)


def spaced(conversation: Conversation) -> Conversation:
    """It, with the arguments of its calls written in one way: JSON has many."""
    return replace(
        conversation,
        messages=tuple(
            replace(
                message,
                parts=tuple(
                    replace(part, arguments=json.dumps(json.loads(part.arguments)))
                    if isinstance(part, ToolCall)
                    else part
                    for part in message.parts
                ),
            )
            for message in conversation.messages
        ),
    )


@settings(max_examples=100, deadline=None)
@given(conversations())
def test_what_another_dialect_says_is_kept(conversation: Conversation) -> None:
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
            "input_schema": {
                "type": "object",
                "properties": {"a": {}},
                "additionalProperties": False,
            },
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
        (MODEL, {"metadata": {"team": "a"}}, {}, ("metadata",)),
        (MODEL, {"service_tier": "default"}, {"service_tier": "standard_only"}, ()),
        (MODEL, {"service_tier": "priority"}, {"service_tier": "auto"}, ()),
        (MODEL, {"service_tier": "flex"}, {}, ("service_tier",)),
        (MODEL, {"top_k": 5}, {"top_k": 5}, ()),
        ("claude-opus-4-7", {"top_k": 5}, {}, ("top_k",)),
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


def test_a_client_s_own_mark_is_said() -> None:
    own, _ = write(HI, Message("user", (Text("mine", cache="5m"),)))
    assert own["messages"][0]["content"][1]["cache_control"] == MARK


def test_documents_are_sent_as_pdf_by_url_or_as_text() -> None:
    parts = (
        Document("a.pdf", url="https://e.com/a.pdf"),
        Document("b.pdf", data="AAAA", media_type="application/pdf", cache="1h"),
        Document(text="words"),
        Document("d.csv", data="YSxi", media_type="text/csv"),
        Document("empty", text=" "),
    )
    body, _ = write(Message("user", parts))
    assert body["messages"][0]["content"] == [
        {
            "type": "document",
            "source": {"type": "url", "url": "https://e.com/a.pdf"},
            "title": "a.pdf",
        },
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
            "title": "b.pdf",
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        },
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "words"},
        },
        {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": "a,b"},
            "title": "d.csv",
        },
    ]


@pytest.mark.parametrize("data", ["/w==", "!"])
def test_a_file_that_is_neither_pdf_nor_text_is_refused_by_name(data: str) -> None:
    with pytest.raises(RequestError, match=r"'x.doc'.*send a PDF or a text"):
        write(Message("user", (Document("x.doc", data=data),)))


def test_breakpoints_stand_on_every_kind_of_block_with_their_life() -> None:
    call = ToolCall("a", "f", "{}", cache="5m")
    result = ToolResult("a", (Image(url="https://e.com/x", cache="5m"),), cache="1h")
    body, _ = write(
        Message("system", (Text("s", "1h"),)),
        HI,
        Message("assistant", (call,)),
        Message("tool", (result,)),
        tools=(Tool("f", "", {}, cache="1h"),),
    )
    hour = {"type": "ephemeral", "ttl": "1h"}
    assert body["system"][0]["cache_control"] == hour
    assert body["tools"][0]["cache_control"] == hour
    assert body["messages"][1]["content"][0]["cache_control"] == MARK
    sent = body["messages"][2]["content"][0]
    assert sent["cache_control"] == hour
    assert sent["content"][0]["cache_control"] == MARK


def test_a_mark_on_a_tool_is_said() -> None:
    body, _ = write(HI, tools=(Tool("f", "", {}, cache="5m"),))
    assert body["tools"][0]["cache_control"] == MARK


def test_hidden_thinking_goes_back_to_whoever_hid_it() -> None:
    """OpenAI's own, which begins with gAAAA, would be refused."""
    hidden = (Reasoning("", hidden="EmwK"), Reasoning("", hidden="gAAAAx"), Text("a"))
    body, _ = write(HI, Message("assistant", hidden), HI)
    assert body["messages"][1]["content"] == [
        {"type": "redacted_thinking", "data": "EmwK"},
        {"type": "text", "text": "a"},
    ]


def test_thinking_never_ends_a_turn_and_is_none_by_itself() -> None:
    signed = Reasoning("x", "sig")
    body, _ = write(HI, Message("assistant", (signed, Text("a"), signed)), HI)
    assert [block["type"] for block in body["messages"][1]["content"]] == ["thinking", "text"]
    merged, _ = write(HI, Message("assistant", (signed,)), Message("user", (Text("again"),)))
    assert [block["text"] for block in merged["messages"][0]["content"]] == ["hi", "again"]


def test_a_freeform_tool_is_a_function_of_one_text() -> None:
    body, _ = write(HI, tools=(freeform("patch", "P"),))
    assert body["tools"] == [{"name": "patch", "input_schema": SCHEMA, "description": "P"}]


def test_nullable_and_referring_schemas_pass_and_strict_ones_are_closed() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": ["string", "null"]}, "b": {"$ref": "#/$defs/b"}},
        "$defs": {"b": {"type": "object", "properties": {}}},
    }
    body, _ = write(HI, tools=(Tool("f", "", schema), Tool("g", "", schema, strict=True)))
    assert body["tools"][0]["input_schema"] == schema
    assert body["tools"][1]["input_schema"]["$defs"]["b"]["additionalProperties"] is False


def test_how_closely_to_look_is_named_where_it_cannot_be_said() -> None:
    low = Image(url="https://e.com/x", detail="low")
    assert write(Message("user", (low,)))[1] == ("detail",)
    assert write(HI, Message("tool", (ToolResult("a", (low,)),)))[1] == ("detail",)
    assert write(Message("user", (replace(low, detail="auto"),)))[1] == ()
