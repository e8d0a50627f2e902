"""Conversations of other dialects as Chat Completions bodies, repaired by rule."""

from __future__ import annotations

import json
from typing import Any

import pytest

from twotier.domain.message import (
    Conversation,
    Document,
    Image,
    Message,
    Reasoning,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from twotier.errors import RequestError
from twotier.protocols.freeform import freeform
from twotier.protocols.openai_chat import write_request
from twotier.protocols.openai_chat.turns import NO_RESULT, valid_id

PNG = Image(data="AA==", media_type="image/png")


def body(*messages: Message, **fields: Any) -> Any:
    conversation = Conversation(messages or (Message("user", (Text("hi"),)),), **fields)
    out = write_request(conversation, model="m", max_output_tokens=5, stream=False)
    return json.loads(out.body), out.unsaid


def sent(*messages: Message) -> Any:
    return body(*messages)[0]["messages"]


def calls(*ids: str) -> Message:
    return Message("assistant", tuple(ToolCall(id_, "f", "{}") for id_ in ids))


def result(id_: str, *parts: Text | Image | Document, failed: bool = False) -> Message:
    return Message("tool", (ToolResult(id_, parts, failed),))


def test_system_texts_at_the_start_are_one_message_and_later_ones_the_users() -> None:
    """Templates drop a second system message without a word (MiniMax) or refuse it (Qwen)."""
    messages = sent(
        Message("system", (Text("a"), PNG)),
        Message("system", (Text("b"),)),
        Message("user", (Text("hi"),)),
        Message("system", (Text("stop now"), PNG)),
    )
    assert [message["role"] for message in messages] == ["system", "user", "user", "user"]
    assert [part["text"] for part in messages[0]["content"]] == ["a", "b"]
    assert messages[1]["content"][0]["type"] == "image_url"
    assert messages[3]["content"][0]["text"] == "<system>\nstop now\n</system>"


def test_results_stand_behind_their_calls_in_the_order_of_the_calls() -> None:
    messages = sent(
        calls("a", "b"),
        Message("user", (Text("meanwhile"),)),
        result("b", Text("two")),
        result("a", Text("one")),
    )
    assert [(m["role"], m.get("tool_call_id")) for m in messages] == [
        ("assistant", None),
        ("tool", "a"),
        ("tool", "b"),
        ("user", None),
    ]
    assert [m["content"] for m in messages[1:]] == ["one", "two", "meanwhile"]


def test_a_call_without_a_result_gets_a_stand_in() -> None:
    messages = sent(calls("a", "b"), result("b", Text("two")))
    assert [m["content"] for m in messages[1:]] == [NO_RESULT, "two"]


def test_a_result_without_a_call_is_told_by_the_user() -> None:
    """A template raises at a `tool` message that follows no call, and the whole turn is lost."""
    messages = sent(Message("user", (ToolResult("x", (Text("42"), PNG)), Text("and now?"))))
    assert [m["role"] for m in messages] == ["user", "user"]
    assert messages[0]["content"][0]["text"] == "Result of the tool call x:"
    assert [part["type"] for part in messages[0]["content"]] == ["text", "text", "image_url"]
    assert messages[1]["content"] == "and now?"


def test_ids_that_a_server_gave_twice_keep_their_results_apart() -> None:
    messages = sent(
        calls("call_0"), result("call_0", Text("1")), calls("call_0"), result("call_0", Text("2"))
    )
    assert [m["content"] for m in messages if m["role"] == "tool"] == ["1", "2"]
    lost = sent(calls("c"), Message("user", (Text("go on"),)), calls("c"), result("c", Text("2")))
    assert [m["content"] for m in lost if m["role"] == "tool"] == [NO_RESULT, "2"]
    early = sent(result("c", Text("1")), calls("c"), result("c", Text("2")))
    assert [m["content"] for m in early if m["role"] == "tool"] == ["1"]
    twice = sent(calls("c"), result("c", Text("1")), result("c", Text("2")))
    assert [m["role"] for m in twice] == ["assistant", "tool", "user"]


def test_images_of_results_follow_behind_the_last_result() -> None:
    """A tool message takes text only, and results must stand directly behind their calls."""
    pdf = Document("a.pdf", data="AA==", media_type="application/pdf")
    messages = sent(
        calls("a", "b"), result("a", Text("one"), PNG), result("b", pdf), Message("user", (PNG,))
    )
    assert [m["role"] for m in messages] == ["assistant", "tool", "tool", "user", "user"]
    assert messages[2]["content"] == ""
    assert [part["type"] for part in messages[3]["content"]] == ["image_url", "file"]


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ((Text("no such file"),), "The tool failed: no such file"),
        ((), "The tool failed."),
    ],
)
def test_a_failed_result_says_so_in_words(parts: tuple[Text, ...], content: str) -> None:
    assert sent(calls("a"), result("a", *parts, failed=True))[1]["content"] == content


@pytest.mark.parametrize("arguments", ['{"a": ', "[1]", "null", "[" * 100_000])
def test_broken_arguments_of_the_past_do_not_block_a_conversation(arguments: str) -> None:
    """mlx-lm answers 404 and llama.cpp 500 to a history with arguments that are no object."""
    call = sent(Message("assistant", (ToolCall("a", "f", arguments),)))[0]["tool_calls"][0]
    assert json.loads(call["function"]["arguments"]) == {"unparsed": arguments}
    empty = sent(Message("assistant", (ToolCall("a", "f", " "),)))[0]["tool_calls"][0]
    assert empty["function"]["arguments"] == "{}"


def test_thinking_and_text_are_written_where_templates_read_them() -> None:
    parts = (Reasoning("t", "sig"), Reasoning("", hidden="x"), Reasoning("u"), Text("a"), Text("b"))
    written, unsaid = body(Message("assistant", parts))
    message = written["messages"][0]
    assert message["reasoning_content"] == "t\n\nu"
    assert [part["text"] for part in message["content"]] == ["a", "b"]
    assert unsaid == ("redacted_thinking",)
    assert sent(calls("c"))[0]["content"] is None
    assert sent(Message("assistant", (Reasoning("t"),)))[0]["content"] == ""


def test_documents_are_files_or_text() -> None:
    pdf = Document(data="AA==", media_type="application/pdf")
    note = Document("note", text="hi")
    picture = Image(url="https://e.com/a", detail="high")
    content = sent(Message("user", (pdf, note, picture)))[0]["content"]
    assert content == [
        {
            "type": "file",
            "file": {"filename": "document", "file_data": "data:application/pdf;base64,AA=="},
        },
        {"type": "text", "text": '<document name="note">\nhi\n</document>'},
        {"type": "image_url", "image_url": {"url": "https://e.com/a", "detail": "high"}},
    ]
    assert sent(Message("user", (note,)))[0]["content"].startswith("<document")
    with pytest.raises(RequestError, match="takes no documents by URL"):
        sent(Message("user", (Document(url="https://e.com/a.pdf"),)))


def test_ids_stay_within_openais_limit() -> None:
    long = "toolu_" + "x" * 60
    assert valid_id("call_1") == "call_1"
    assert valid_id(long) == valid_id(long) != valid_id(long + "y")
    assert len(valid_id(long)) <= 40
    assert valid_id("")
    messages = sent(calls(long), result(long, Text("r")))
    assert messages[0]["tool_calls"][0]["id"] == messages[1]["tool_call_id"] == valid_id(long)


def test_settings_are_written_where_servers_take_them() -> None:
    written, unsaid = body(
        thinking=Thinking("budget", 1_000),
        top_k=5,
        service_tier="flex",
        metadata={"a": "b"},
        tool_choice=ToolChoice("required"),
        unsaid=("seed",),
    )
    assert (written["reasoning_effort"], written["top_k"], written["service_tier"]) == (
        "low",
        5,
        "flex",
    )
    assert "tool_choice" not in written  # there is no tool to choose
    assert unsaid == ("seed", "metadata")
    assert "service_tier" not in body(service_tier="auto")[0]


def test_every_tool_is_a_function_here() -> None:
    tools = (freeform("patch", "P", cache="5m"), Tool("g", "", {}))
    written, unsaid = body(tools=tools, tool_choice=ToolChoice("tool", "patch"))
    patch, plain = written["tools"]
    assert patch["function"]["parameters"]["required"] == ["input"]
    assert plain["function"]["parameters"] == {"type": "object", "properties": {}}
    assert written["tool_choice"] == {"type": "function", "function": {"name": "patch"}}
    assert unsaid == ("cache_control",)
