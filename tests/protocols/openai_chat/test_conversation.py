"""A body read whole, and written again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

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
from twotier.protocols.openai_chat import read_conversation, write_request


def read(**fields: Any) -> Conversation:
    messages = [{"role": "user", "content": "hi"}]
    return read_conversation(json.dumps({"messages": messages, **fields}).encode())


def written(conversation: Conversation, *, stream: bool = False) -> Any:
    out = write_request(conversation, model="m", max_output_tokens=5, stream=stream)
    return json.loads(out.body)


@settings(max_examples=100, deadline=None)
@given(conversations())
def test_a_conversation_survives_writing_and_reading(conversation: Conversation) -> None:
    out = write_request(conversation, model="m", max_output_tokens=5, stream=True)
    again = read_conversation(out.body)
    assert again == conversation
    assert out.unsaid == conversation.unsaid


def test_every_kind_of_message_is_read() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    conversation = read(
        messages=[
            {"role": "developer", "content": "be kind"},
            {"role": "system", "content": [{"type": "text", "text": "be brief"}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look", "cache_control": {"type": "ephemeral"}},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
                    {"type": "image_url", "image_url": {"url": "https://e.com/a", "detail": "low"}},
                ],
            },
            {"role": "assistant", "content": "a", "reasoning_content": "t", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
            {"role": "assistant", "reasoning": "mlx", "refusal": "no"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "never"}]},
        ]
    )
    assert conversation.messages == (
        Message("system", (Text("be kind"),)),
        Message("system", (Text("be brief"),)),
        Message(
            "user",
            (
                Text("look", cached=True),
                Image(data="AA==", media_type="image/png"),
                Image(url="https://e.com/a"),
            ),
        ),
        Message("assistant", (Reasoning("t"), Text("a"), ToolCall("c1", "f", '{"a":1}'))),
        Message("tool", (ToolResult("c1", (Text("done"),)),)),
        Message("assistant", (Reasoning("mlx"), Text("no"))),
        Message("assistant", (Text("never"),)),
    )


def test_arguments_that_are_an_object_become_text() -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}
    conversation = read(messages=[{"role": "assistant", "tool_calls": [call]}])
    assert conversation.messages[0].parts == (ToolCall("c", "f", '{"a":1}'),)


TOOLS = [
    {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
    {"type": "function", "function": {"name": "g", "description": "G", "strict": True}},
]


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, ToolChoice("auto")),
        ({"tool_choice": "none"}, ToolChoice("none")),
        ({"tool_choice": "required"}, ToolChoice("required")),
        ({"parallel_tool_calls": False}, ToolChoice("auto", parallel=False)),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            ToolChoice("tool", "f"),
        ),
    ],
)
def test_every_form_of_tool_choice_is_read(fields: Any, choice: ToolChoice | None) -> None:
    conversation = read(tools=TOOLS, **fields)
    assert conversation.tool_choice == choice
    assert conversation.tools == (
        Tool("f", "", {"type": "object"}),
        Tool("g", "G", {}, strict=True),
    )


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_allowed_tools_leaves_only_those(mode: str) -> None:
    allowed = {"mode": mode, "tools": [{"type": "function", "function": {"name": "g"}}]}
    conversation = read(
        tools=TOOLS, tool_choice={"type": "allowed_tools", "allowed_tools": allowed}
    )
    assert [tool.name for tool in conversation.tools] == ["g"]
    assert conversation.tool_choice == ToolChoice(mode)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("form", "schema"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, {}),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": {"a": 1}}}, {"a": 1}),
    ],
)
def test_the_form_of_the_answer_is_read(form: Any, schema: Any) -> None:
    assert read(response_format=form).output_schema == schema


def test_settings_are_read_and_what_cannot_be_carried_is_named() -> None:
    conversation = read(
        model="x",
        stream=True,
        stream_options={},
        n=1,
        max_completion_tokens=5,
        temperature=0.5,
        top_p=0.9,
        stop="END",
        user="u",
        seed=4,
        logit_bias=None,
        messages=[{"role": "user", "content": "hi", "name": "Ann"}],
    )
    assert conversation.max_output_tokens == 5
    assert (conversation.temperature, conversation.top_p) == (0.5, 0.9)
    assert (conversation.stop, conversation.user) == (("END",), "u")
    assert conversation.unsaid == ("seed", "messages[].name")
    assert read(stop=["a", "b"], max_tokens=3).stop == ("a", "b")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"messages": [{"role": "boss", "content": "x"}]}, "messages[0].role: 'boss' is unknown"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id: is missing"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "messages[0].content[0]: a part of type 'input_audio'",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "file:///x"}}],
                    }
                ]
            },
            "image_url.url: give an http(s) URL",
        ),
        ({"functions": []}, "functions: this model cannot be asked with it; use tools"),
        ({"tools": [{"type": "custom"}]}, "tools[0].type: 'custom'"),
        ({"tool_choice": "often"}, "tool_choice: use auto"),
        ({"tool_choice": {"type": "function"}}, "tool_choice: use auto"),
        ({"response_format": {"type": "xml"}}, "response_format: use text"),
        ({"response_format": {"type": "json_schema"}}, "response_format: use text"),
        ({"temperature": "hot"}, "temperature: expected float"),
    ],
)
def test_what_would_change_the_meaning_is_refused(fields: Any, sentence: str) -> None:
    with pytest.raises(RequestError) as caught:
        read(**fields)
    assert sentence in caught.value.message


def test_images_of_tool_results_follow_behind_the_last_result() -> None:
    """A tool message takes text only, and results must stand directly behind their calls."""
    png = Image(data="AA==", media_type="image/png")
    sent = written(
        Conversation(
            (
                Message("assistant", (ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))),
                Message("tool", (ToolResult("a", (Text("one"), png)),)),
                Message("tool", (ToolResult("b", (Text("two"),)),)),
                Message("user", (Text("go on"),)),
                Message("tool", (ToolResult("b", (png,)),)),
            )
        )
    )
    roles = [message["role"] for message in sent["messages"]]
    assert roles == ["assistant", "tool", "tool", "user", "user", "tool", "user"]
    assert sent["messages"][3]["content"][0]["type"] == "image_url"
    assert sent["messages"][5]["content"] == ""


def test_results_and_text_of_one_turn_become_messages_of_their_own() -> None:
    """Anthropic's user turns carry both; here they are two roles."""
    turn = Message("user", (ToolResult("a", (Text("r"),)), Text("and now?")))
    assert [m["role"] for m in written(Conversation((turn,)))["messages"]] == ["tool", "user"]


def test_thinking_and_text_are_written_where_templates_read_them() -> None:
    parts = (Reasoning("t", "sig"), Text("a"), Text("b"))
    message = written(Conversation((Message("assistant", parts),)))["messages"][0]
    assert message["reasoning_content"] == "t"
    assert [part["text"] for part in message["content"]] == ["a", "b"]
    only = written(Conversation((Message("assistant", (ToolCall("c", "f", ""),)),)))["messages"][0]
    assert only["content"] is None
