"""The settings and tools of a body, read whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from twotier.domain.message import (
    Conversation,
    Message,
    Text,
    Thinking,
    Tool,
    ToolChoice,
)
from twotier.errors import RequestError
from twotier.protocols.freeform import freeform
from twotier.protocols.openai_responses import read_conversation

SCHEMA = {
    "type": "object",
    "properties": {
        "path": {"type": ["string", "null"]},
        "node": {"$ref": "#/$defs/node"},
    },
    "$defs": {"node": {"type": "object", "properties": {}}},
}
FUNCTION = {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True}
CRM = {
    "type": "namespace",
    "name": "crm",
    "description": "Customers",
    "tools": [
        {"type": "function", "name": "find", "description": "Find one", "parameters": None},
        {"type": "custom", "name": "note"},
    ],
}


def read(**fields: Any) -> Conversation:
    return read_conversation(json.dumps({"input": "hi", **fields}).encode())


def test_a_text_is_one_turn_behind_the_instructions() -> None:
    assert read(instructions="Be kind.").messages == (
        Message("system", (Text("Be kind."),)),
        Message("user", (Text("hi"),)),
    )
    assert read(instructions="").messages == (Message("user", (Text("hi"),)),)


def test_settings_are_read() -> None:
    conversation = read(
        max_output_tokens=9,
        temperature=0.5,
        top_p=0.9,
        metadata={"job": "inbox"},
        service_tier="flex",
        user="ann",
        parallel_tool_calls=False,
        text={"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}},
        reasoning={"effort": "high", "summary": "auto"},
        model="m",
        stream=True,
        stream_options={"include_obfuscation": False},
        store=False,
        truncation="disabled",
        include=["reasoning.encrypted_content"],
        background=False,
        previous_response_id=None,
        seed=None,
    )
    assert conversation == Conversation(
        (Message("user", (Text("hi"),)),),
        tool_choice=ToolChoice(parallel=False),
        max_output_tokens=9,
        temperature=0.5,
        top_p=0.9,
        output_schema=SCHEMA,
        thinking=Thinking(effort="high", shown="auto"),
        service_tier="flex",
        metadata={"job": "inbox"},
        user="ann",
    )


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"client_metadata": {"a": 1}}, ["client_metadata"]),
        ({"store": True}, ["store"]),
        ({"truncation": "auto"}, ["truncation"]),
        ({"include": ["message.output_text.logprobs"]}, ["include"]),
        ({"prompt_cache_key": "k", "max_tool_calls": 3}, ["max_tool_calls", "prompt_cache_key"]),
        ({"service_tier": "ultrafast"}, ["service_tier"]),
        ({"user": "a", "safety_identifier": "b"}, ["user"]),
        ({"user": "a", "safety_identifier": "a"}, []),
        ({"text": {"verbosity": "low"}}, ["text.verbosity"]),
        ({"text": {"format": {"type": "text"}}}, []),
        (
            {"text": {"format": {"type": "json_object", "description": "d"}}},
            ["text.format.description"],
        ),
        (
            {"reasoning": {"context": "all_turns", "mode": "pro"}},
            ["reasoning.context", "reasoning.mode"],
        ),
        (
            {"tools": [{"type": "web_search"}, {"type": "mcp"}]},
            ["tools[].mcp", "tools[].web_search"],
        ),
        ({"tools": [{}]}, ["tools[].type"]),
        ({"tools": [{**FUNCTION, "defer_loading": True}]}, ["tools[].defer_loading"]),
        (
            {"tools": [{**FUNCTION, "allowed_callers": ["direct"], "output_schema": {"a": 1}}]},
            ["tools[].allowed_callers", "tools[].output_schema"],
        ),
    ],
)
def test_what_cannot_be_said_is_named(fields: dict[str, Any], named: list[str]) -> None:
    assert read(**fields).unsaid == tuple(named)


def test_a_user_has_two_names_and_a_tier_too() -> None:
    assert read(user="a", safety_identifier="b").user == "b"
    assert read(service_tier="fast").service_tier == "priority"
    assert read(service_tier="ultrafast").service_tier == ""


@pytest.mark.parametrize(
    ("reasoning", "thinking"),
    [
        (None, None),
        ({}, None),
        ({"effort": "none"}, Thinking("off", effort="none")),
        ({"effort": "xhigh"}, Thinking(effort="xhigh")),
        ({"generate_summary": "concise"}, Thinking(shown="concise")),
    ],
)
def test_how_much_to_think_is_read(reasoning: Any, thinking: Thinking | None) -> None:
    assert read(reasoning=reasoning).thinking == thinking


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        (None, None),
        ({"format": None}, None),
        ({"format": {"type": "json_object"}}, {}),
        ({"format": {"type": "json_schema", "schema": SCHEMA}}, SCHEMA),
    ],
)
def test_the_form_of_the_answer_is_read(text: Any, schema: Any) -> None:
    assert read(text=text).output_schema == schema


def test_tools_are_read_and_namespaces_opened() -> None:
    """A grammar that nobody can enforce is said in words."""
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: X"}
    custom = {"type": "custom", "name": "patch", "description": "Edit.", "format": grammar}
    assert read(tools=[FUNCTION, custom, CRM]).tools == (
        Tool("f", "", SCHEMA, strict=True),
        freeform("patch", "Edit.", syntax="lark", definition="start: X"),
        Tool("crm__find", "Find one", {}),
        freeform("crm__note", ""),
    )


def test_a_name_in_a_namespace_is_never_too_long_and_always_the_same() -> None:
    def named(namespace: str, *names: str) -> list[str]:
        tools = [{"type": "function", "name": name} for name in names]
        space = {"type": "namespace", "name": namespace, "tools": tools}
        return [tool.name for tool in read(tools=[space]).tools]

    assert named("mcp__github__", "issue") == ["mcp__github__issue"]
    assert named("empty") == []
    first, second = named("n" * 60, "a" * 60, "b" * 60)
    assert first != second
    assert [first, second] == named("n" * 60, "a" * 60, "b" * 60)
    assert (len(first), len(second)) == (64, 64)


def test_a_namespace_may_be_empty() -> None:
    assert read(tools=[{"type": "namespace", "name": "n"}]).tools == ()


def test_tools_that_were_added_later_are_tools() -> None:
    added = {"type": "additional_tools", "role": "developer", "tools": [CRM]}
    none = {"type": "additional_tools", "role": "developer"}
    conversation = read(
        tools=[FUNCTION],
        input=[added, none, {"role": "user", "content": "hi"}],
        tool_choice={"type": "function", "name": "find"},
    )
    assert [tool.name for tool in conversation.tools] == ["f", "crm__find", "crm__note"]
    assert conversation.messages == (Message("user", (Text("hi"),)),)
    assert conversation.tool_choice == ToolChoice("tool", "crm__find")


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        (None, None),
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "f"}, ToolChoice("tool", "f")),
        ({"type": "function", "name": "unknown"}, ToolChoice("tool", "unknown")),
        ({"type": "function", "name": "find"}, ToolChoice("tool", "crm__find")),
        ({"type": "custom", "name": "note"}, ToolChoice("tool", "crm__note")),
        ({"type": "function", "name": "crm__find"}, ToolChoice("tool", "crm__find")),
    ],
)
def test_a_choice_is_read(given: Any, choice: ToolChoice | None) -> None:
    assert read(tools=[FUNCTION, CRM], tool_choice=given).tool_choice == choice


def test_a_choice_may_leave_only_some_tools() -> None:
    allowed = [
        {"type": "function", "name": "f"},
        {"type": "custom", "name": "note"},
        {"type": "mcp"},
    ]
    choice = {"type": "allowed_tools", "mode": "required", "tools": allowed}
    conversation = read(tools=[FUNCTION, CRM], tool_choice=choice, parallel_tool_calls=True)
    assert [tool.name for tool in conversation.tools] == ["f", "crm__note"]
    assert conversation.tool_choice == ToolChoice("required", parallel=True)
    other = read(tools=[FUNCTION], tool_choice={"type": "allowed_tools"})
    assert (other.tools, other.tool_choice) == ((), ToolChoice("auto"))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"tool_choice": "always"}, "tool_choice: use auto, none, required"),
        ({"tool_choice": {"type": "web_search_preview"}}, "web_search_preview cannot be ordered"),
        ({"tool_choice": {"type": "function"}}, "tool_choice: function cannot be ordered"),
        ({"tool_choice": {}}, "tool_choice: this cannot be ordered"),
        ({"tools": [{"type": "function"}]}, r"tools\[\].name: is missing"),
        ({"tools": [{"type": "custom", "name": ""}]}, "give each custom tool its name"),
        ({"reasoning": {"effort": "extreme"}}, "reasoning.effort: 'extreme' is unknown"),
        ({"text": {"format": {"type": "xml"}}}, "text.format: use text, json_object, or"),
        ({"text": {"format": {"type": "json_schema"}}}, "json_schema with its schema"),
        ({"temperature": "hot"}, r"temperature: expected float . null, got str"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        read(**fields)
