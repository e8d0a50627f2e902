"""A conversation written as a Responses body, and read again."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocols.conversations import FULL_TEXTS, conversations
from twotier.domain.message import (
    Cache,
    Conversation,
    Document,
    Image,
    Message,
    Reasoning,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from twotier.protocols.freeform import freeform, wrapped
from twotier.protocols.openai_responses import read_conversation, write_request
from twotier.protocols.wire import Outgoing

USER = Message("user", (Text("hi"),))
CACHES: st.SearchStrategy[Cache] = st.sampled_from(["", "5m", "1h"])
DOCUMENTS = st.sampled_from(
    [
        Document("a.pdf", url="https://example.com/a.pdf"),
        Document(url="https://example.com/a.pdf"),
        Document("a.pdf", data="AAAA", media_type="application/pdf"),
        Document("a.txt", text="Grüße", media_type="text/plain"),
    ]
)
IMAGES = st.builds(
    Image,
    url=st.just("https://example.com/a.png"),
    detail=st.sampled_from(["", "low", "auto"]),
    cache=CACHES,
)
SHOWN = st.lists(
    st.one_of(st.builds(Text, FULL_TEXTS, CACHES), IMAGES, DOCUMENTS), min_size=1, max_size=3
).map(tuple)
THINKING = st.sampled_from(
    [
        None,
        Thinking(effort="low"),
        Thinking(mode="off", effort="none"),
        Thinking(effort="xhigh", shown="detailed"),
        Thinking(shown="auto"),
    ]
)


@st.composite
def richer(draw: st.DrawFn) -> Conversation:
    """What this dialect can say and Chat Completions cannot, on top of what both can."""
    plain = draw(conversations())
    text = draw(FULL_TEXTS)
    custom = [
        Message("user", draw(SHOWN)),
        Message("assistant", (ToolCall("c1", "patch", wrapped(text), freeform=True),)),
        Message("tool", (ToolResult("c1", draw(SHOWN)),)),
    ]
    return replace(
        plain,
        messages=(*plain.messages, *draw(st.sampled_from([[], custom]))),
        tools=(*plain.tools, *draw(st.sampled_from([(), (freeform("patch", "Edit files."),)]))),
        stop=(),
        thinking=draw(THINKING),
        service_tier=draw(st.sampled_from(["", "auto", "flex", "priority"])),
        metadata=draw(st.sampled_from([{}, {"job": "inbox"}])),
    )


@settings(max_examples=100, deadline=None)
@given(richer())
def test_a_conversation_survives_writing_and_reading(conversation: Conversation) -> None:
    out = write_request(conversation, model="m", max_output_tokens=5, stream=True)
    assert read_conversation(out.body) == conversation
    assert out.unsaid == conversation.unsaid


def write(*messages: Message, **fields: Any) -> Outgoing:
    conversation = Conversation(messages, **fields)
    return write_request(conversation, model="m", max_output_tokens=7, stream=False)


def body(*messages: Message, **fields: Any) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(write(*messages, **fields).body)
    return said


def test_nothing_is_kept_by_the_upstream_and_the_limit_is_always_set() -> None:
    assert body(USER) == {
        "model": "m",
        "max_output_tokens": 7,
        "stream": False,
        "store": False,
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "hi"}],
            }
        ],
    }


def test_one_plain_system_text_is_the_instructions() -> None:
    first = Message("system", (Text("Be kind."),))
    said = body(first, USER)
    assert said["instructions"] == "Be kind."
    assert [item["role"] for item in said["input"]] == ["user"]
    marked = body(Message("system", (Text("Be kind.", cache="5m"),)), USER)
    assert "instructions" not in marked
    assert [item["role"] for item in marked["input"]] == ["system", "user"]
    assert body()["input"] == []


def test_texts_stand_in_messages_and_everything_else_alone() -> None:
    """In the order of the turn; a tool's message that holds more than results is the user's."""
    call = ToolCall("c1", "f", "{}")
    turn = Message("assistant", (Text("a"), call, Text("b"), Text("c")))
    mixed = Message("tool", (ToolResult("c1", ()), Text("see"), Image(data="A", media_type="i/p")))
    assert [
        (item["type"], item.get("role"), len(item.get("content", "")))
        for item in body(USER, turn, mixed, Message("assistant", ()))["input"]
    ] == [
        ("message", "user", 1),
        ("message", "assistant", 1),
        ("function_call", None, 0),
        ("message", "assistant", 2),
        ("function_call_output", None, 0),
        ("message", "user", 2),
        ("message", "assistant", 0),
    ]


def test_an_image_of_the_assistant_has_no_place() -> None:
    turn = Message("assistant", (Text("a"), Image(url="https://e.com/a.png")))
    assert body(turn)["input"][0]["content"] == [
        {"type": "output_text", "text": "a", "annotations": []}
    ]


def test_a_document_without_a_name_gets_one_where_it_comes_inline() -> None:
    parts = (Document(text="t"), Document(data="AAAA"))
    text, pdf = body(Message("user", parts))["input"][0]["content"]
    assert text == {
        "type": "input_file",
        "filename": "document",
        "file_data": "data:text/plain;base64,dA==",
    }
    assert pdf["file_data"] == "data:application/pdf;base64,AAAA"


def test_thinking_goes_as_its_text_and_a_seal_only_to_who_made_it() -> None:
    thoughts = (
        Reasoning("hm", "signed by Anthropic"),
        Reasoning("", hidden="hidden by Anthropic"),
        Reasoning("", hidden="gAAAAsealed"),
        Reasoning("plain"),
    )
    out = write(USER, Message("assistant", thoughts))
    assert json.loads(out.body)["input"][1:] == [
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAAAsealed"},
        {
            "type": "reasoning",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "plain"}],
        },
    ]
    assert out.unsaid == ("messages[].thinking.signature",)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"stop": ("END",)}, "stop"),
        ({"top_k": 3}, "top_k"),
        ({"thinking": Thinking("budget", budget_tokens=9)}, "thinking.budget_tokens"),
        ({"unsaid": ("seed",)}, "seed"),
    ],
)
def test_what_cannot_be_said_is_named(fields: dict[str, Any], named: str) -> None:
    out = write(USER, **fields)
    assert out.unsaid == (named,)
    assert "reasoning" not in json.loads(out.body)


def test_a_failed_result_is_named_because_it_has_no_mark_here() -> None:
    out = write(USER, Message("tool", (ToolResult("c1", (Text("no"),), failed=True),)))
    assert out.unsaid == ("messages[].tool_result.is_error",)


@pytest.mark.parametrize(
    ("shown", "summary"),
    [("summarized", {"summary": "auto"}), ("concise", {"summary": "concise"}), ("omitted", {})],
)
def test_what_is_shown_of_thinking_is_a_summary(shown: str, summary: dict[str, str]) -> None:
    said = body(USER, thinking=Thinking("adaptive", effort="high", shown=shown))
    assert said["reasoning"] == {"effort": "high", **summary}


def test_a_tool_is_ordered_by_its_kind() -> None:
    tools = (freeform("patch", ""),)
    custom = body(USER, tools=tools, tool_choice=ToolChoice("tool", "patch", parallel=False))
    assert custom["tools"] == [{"type": "custom", "name": "patch"}]
    assert custom["tool_choice"] == {"type": "custom", "name": "patch"}
    assert custom["parallel_tool_calls"] is False
    function = body(USER, tools=tools, tool_choice=ToolChoice("tool", "f"))
    assert function["tool_choice"] == {"type": "function", "name": "f"}
