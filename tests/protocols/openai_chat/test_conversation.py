"""A body read whole, and written again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from tests.protocols.conversations import conversations
from twotier.domain.message import (
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
from twotier.protocols.openai_chat import read_conversation, write_request


def read(**fields: Any) -> Conversation:
    messages = [{"role": "user", "content": "hi"}]
    return read_conversation(json.dumps({"messages": messages, **fields}).encode())


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
                Text("look", cache="5m"),
                Image(data="AA==", media_type="image/png"),
                Image(url="https://e.com/a", detail="low"),
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
        top_k=3,
        stop="END",
        user="u",
        seed=4,
        logit_bias=None,
        service_tier="flex",
        metadata={"team": "a"},
        modalities=["text"],
        messages=[{"role": "user", "content": "hi", "name": "Ann"}],
    )
    assert conversation.max_output_tokens == 5
    assert (conversation.temperature, conversation.top_p) == (0.5, 0.9)
    assert (conversation.stop, conversation.user) == (("END",), "u")
    assert (conversation.top_k, conversation.service_tier) == (3, "flex")
    assert conversation.metadata == {"team": "a"}
    assert conversation.unsaid == ("seed", "messages[].name")
    assert read(stop=["a", "b"], max_tokens=3).stop == ("a", "b")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"messages": [{"role": "boss", "content": "x"}]}, "messages[0].role: 'boss' is unknown"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id: is missing"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
            "messages[0].content[0]: 'input_audio': sound cannot be sent",
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
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text: is missing",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "hologram"}]}]},
            "messages[0].content[0]: 'hologram': this type of part",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
            "messages[0].content[0].file.file_data: is missing",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}
                ]
            },
            "messages[0].content[0].file.file_id: files are not kept here",
        ),
        (
            {"messages": [{"role": "assistant", "function_call": {"name": "f"}}]},
            "messages[0].function_call: is of an old form; use tool_calls",
        ),
        (
            {"messages": [{"role": "assistant", "audio": {"id": "a"}}]},
            "messages[0].audio: cannot be sent",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]},
            "messages[0].tool_calls[0].function.name: is missing",
        ),
        ({"functions": [{}]}, "functions: this model cannot be asked with it; use tools"),
        ({"web_search_options": {}}, "web_search_options: this model cannot be asked with it"),
        ({"audio": {"voice": "x"}}, "audio: this model cannot be asked with it"),
        ({"modalities": ["text", "audio"]}, "modalities: this model answers in text only"),
        ({"reasoning_effort": "hard"}, "reasoning_effort: 'hard' is unknown"),
        ({"reasoning": {"effort": "hard"}}, "reasoning.effort: 'hard' is unknown"),
        ({"thinking": {"type": "maybe"}}, "thinking.type: 'maybe' is unknown"),
        ({"tools": [{"type": "custom"}]}, "tools[0].type: 'custom'"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type: 'web_search'"),
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


@pytest.mark.parametrize(
    ("fields", "unsaid"),
    [
        (
            {
                "frequency_penalty": 0,
                "presence_penalty": 0.0,
                "logprobs": False,
                "store": False,
                "verbosity": "medium",
                "functions": [],
                "logit_bias": {},
            },
            (),
        ),
        (
            {
                "frequency_penalty": 0.5,
                "logprobs": True,
                "prediction": {"type": "content", "content": "x"},
                "store": True,
                "verbosity": "low",
            },
            ("frequency_penalty", "logprobs", "prediction", "store", "verbosity"),
        ),
        ({"service_tier": "scale"}, ("service_tier",)),
        ({"metadata": {"tags": ["x"], "a": "b"}}, ("metadata",)),
        ({"chat_template_kwargs": {"enable_thinking": True}}, ()),
        ({"chat_template_kwargs": {"date": "x"}}, ("chat_template_kwargs",)),
    ],
)
def test_what_changes_nothing_is_not_named(fields: Any, unsaid: tuple[str, ...]) -> None:
    assert read(**fields).unsaid == unsaid


def test_other_names_of_the_user_and_of_priority_are_known() -> None:
    conversation = read(safety_identifier="u", service_tier="fast")
    assert (conversation.user, conversation.service_tier) == ("u", "priority")


def test_cache_breakpoints_are_read_wherever_clients_put_them() -> None:
    mark, hour = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}
    image = {"type": "image_url", "image_url": {"url": "https://e.com/a"}}
    conversation = read(
        messages=[
            {"role": "system", "content": "a", "cache_control": hour},
            {"role": "user", "content": [{**image, "cache_control": mark}]},
            {
                "role": "user",
                "content": [
                    {
                        "type": "text",
                        "text": "b",
                        "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "30m"},
                    }
                ],
            },
            {"role": "assistant", "reasoning_content": "x", "cache_control": mark},
            {"role": "assistant", "cache_control": mark},
            {"role": "tool", "tool_call_id": "c", "content": "d", "cache_control": mark},
        ],
        tools=[
            {"type": "function", "function": {"name": "f"}, "cache_control": hour},
            {"type": "function", "function": {"name": "g", "cache_control": mark}},
        ],
    )
    caches = [
        "" if isinstance(part, Reasoning) else part.cache
        for message in conversation.messages
        for part in message.parts
    ]
    assert caches == ["1h", "5m", "1h", "", "5m"]
    assert [tool.cache for tool in conversation.tools] == ["1h", "5m"]


def test_files_are_documents() -> None:
    pdf = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}
    parts = [
        {"type": "file", "file": pdf},
        {"type": "file", "file": {"file_data": "https://e.com/a.pdf"}},
        {"type": "file", "file": {"file_data": "aGk=", "filename": "n.txt"}},
    ]
    result = {"role": "tool", "tool_call_id": "c", "content": [{"type": "file", "file": pdf}]}
    conversation = read(messages=[{"role": "user", "content": parts}, result])
    inline = Document("a.pdf", data="AAAA", media_type="application/pdf")
    assert conversation.messages == (
        Message(
            "user",
            (
                inline,
                Document(url="https://e.com/a.pdf"),
                Document("n.txt", text="hi", media_type="text/plain"),
            ),
        ),
        Message("tool", (ToolResult("c", (inline,)),)),
    )


def test_custom_tools_are_functions_of_one_string() -> None:
    form = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a+"}}
    call = {"id": "c", "type": "custom", "custom": {"name": "patch", "input": 'say "a"'}}
    conversation = read(
        messages=[{"role": "assistant", "tool_calls": [call]}],
        tools=[
            {"type": "custom", "custom": {"name": "patch", "description": "P", "format": form}},
            {"type": "custom", "custom": {"name": "shell", "format": {"type": "text"}}},
        ],
        tool_choice={"type": "custom", "custom": {"name": "patch"}},
    )
    patch, shell = conversation.tools
    assert (patch.name, patch.freeform, shell.freeform) == ("patch", True, True)
    assert "regex grammar:\na+" in patch.description
    assert conversation.tool_choice == ToolChoice("tool", "patch")
    assert conversation.messages[0].parts == (
        ToolCall("c", "patch", '{"input":"say \\"a\\""}', freeform=True),
    )
    only = {"mode": "auto", "tools": [{"type": "custom", "custom": {"name": "shell"}}]}
    allowed = read(
        tools=[{"type": "custom", "custom": {"name": name}} for name in ("patch", "shell")],
        tool_choice={"type": "allowed_tools", "allowed_tools": only},
    )
    assert [tool.name for tool in allowed.tools] == ["shell"]
