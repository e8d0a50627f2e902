"""A Messages body read whole."""

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
from twotier.errors import RequestError, UnsayableError
from twotier.protocols.anthropic_messages import read_conversation

HI = {"role": "user", "content": "hi"}
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
SCHEMA = {"type": "object", "properties": {"a": {"type": ["string", "null"]}, "b": {"$ref": "#/x"}}}


def read(*messages: Any, **fields: Any) -> Conversation:
    body = {"model": "m", "max_tokens": 5, "messages": messages or [HI], **fields}
    return read_conversation(json.dumps(body).encode())


def shown(*blocks: Any, role: str = "user") -> Conversation:
    return read({"role": role, "content": list(blocks)})


def parts(*blocks: Any, role: str = "user") -> tuple[Any, ...]:
    return shown(*blocks, role=role).messages[0].parts


def test_the_plainest_request_is_read() -> None:
    conversation = read(HI, {"role": "assistant", "content": "yes?"}, HI, system="be brief")
    assert conversation == Conversation(
        (
            Message("system", (Text("be brief"),)),
            Message("user", (Text("hi"),)),
            Message("assistant", (Text("yes?"),)),
            Message("user", (Text("hi"),)),
        ),
        max_output_tokens=5,
    )


def test_system_texts_keep_their_breakpoints_and_may_come_later_too() -> None:
    system = [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": HOUR}]
    late = {"role": "system", "content": [{"type": "text", "text": "c", "cache_control": MARK}]}
    assert read(HI, late, system=system).messages == (
        Message("system", (Text("a"), Text("b", "1h"))),
        Message("user", (Text("hi"),)),
        Message("system", (Text("c", "5m"),)),
    )


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"type": "text", "text": "a", "cache_control": None}, Text("a")),
        (
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
                "cache_control": MARK,
            },
            Image(data="AAAA", media_type="image/png", cache="5m"),
        ),
        (
            {"type": "image", "source": {"type": "url", "url": "https://e.com/a"}},
            Image(url="https://e.com/a"),
        ),
        (
            {
                "type": "document",
                "title": "t",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
                "cache_control": HOUR,
            },
            Document("t", data="AAAA", media_type="application/pdf", cache="1h"),
        ),
        (
            {"type": "document", "source": {"type": "url", "url": "https://e.com/a"}},
            Document(url="https://e.com/a"),
        ),
        (
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "words"},
            },
            Document(media_type="text/plain", text="words"),
        ),
        (
            {"type": "document", "source": {"type": "content", "content": "words"}},
            Document(media_type="text/plain", text="words"),
        ),
        (
            {
                "type": "search_result",
                "source": "https://e.com",
                "title": "T",
                "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}],
                "cache_control": MARK,
            },
            Text("Search result: T (https://e.com)\none\ntwo", "5m"),
        ),
        (
            {"type": "tool_reference", "tool_name": "f"},
            Text("The tool f is there now."),
        ),
    ],
)
def test_every_kind_of_block_keeps_what_it_says(block: Any, part: Any) -> None:
    """In a turn and in a tool's result."""
    assert parts(block) == (part,)
    result = {"type": "tool_result", "tool_use_id": "t", "content": [block]}
    assert parts(result) == (ToolResult("t", (part,)),)


def test_a_document_of_blocks_becomes_its_blocks_and_context_is_said_before() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://e.com/a"}}
    inner = [{"type": "text", "text": "a"}, image]
    source = {"type": "content", "content": inner}
    block = {"type": "document", "title": "T", "context": "from a mail", "source": source}
    assert parts(block) == (
        Text("from a mail"),
        Text("T"),
        Text("a"),
        Image(url="https://e.com/a"),
    )
    bare = {"type": "document", "source": source}
    assert parts(bare) == (Text("a"), Image(url="https://e.com/a"))


def test_an_answer_of_the_past_is_read_with_its_thinking_and_calls() -> None:
    assert parts(
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "thinking", "thinking": "ours"},
        {"type": "redacted_thinking", "data": "xx"},
        {"type": "text", "text": "a"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1.0, "y": None}},
        {"type": "tool_use", "id": "t2", "name": "g", "cache_control": MARK},
        role="assistant",
    ) == (
        Reasoning("hm", "s"),
        Reasoning("ours"),
        Reasoning("", hidden="xx"),
        Text("a"),
        ToolCall("t1", "f", '{"x": 1.0, "y": null}'),
        ToolCall("t2", "g", "{}", cache="5m"),
    )


def test_results_are_turns_of_their_own_before_what_the_user_says() -> None:
    conversation = shown(
        {"type": "tool_result", "tool_use_id": "t1", "content": "one", "cache_control": MARK},
        {"type": "text", "text": "and now?"},
        {"type": "tool_result", "tool_use_id": "t2", "is_error": True},
        {"type": "tool_result", "tool_use_id": "t3", "content": [{"type": "text", "text": ""}]},
    )
    assert conversation.messages == (
        Message("tool", (ToolResult("t1", (Text("one"),), cache="5m"),)),
        Message("tool", (ToolResult("t2", (), failed=True),)),
        Message("tool", (ToolResult("t3", (Text(""),)),)),
        Message("user", (Text("and now?"),)),
    )
    assert shown().messages == (Message("user", ()),)


@pytest.mark.parametrize(
    ("block", "name"),
    [
        ({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}, None),
        ({"type": "web_search_tool_result", "tool_use_id": "s", "content": []}, None),
        ({"type": "web_search_tool_result", "tool_use_id": "s", "content": {"a": 1}}, None),
        ({"type": "Sonderbar!"}, "unknown"),
        ({"type": "compaction", "content": None}, "compaction"),
    ],
)
def test_what_anthropics_own_tools_did_is_left_out_and_named(block: Any, name: str | None) -> None:
    """It is history: the text of the answer says what came of it."""
    conversation = shown(block, {"type": "text", "text": "found"}, role="assistant")
    assert conversation.messages[0].parts == (Text("found"),)
    assert conversation.unsaid == (f"messages[].content[].{name or block['type']}",)


def test_a_summary_in_place_of_a_conversation_stays() -> None:
    block = {"type": "compaction", "content": "they met"}
    assert parts(block, role="assistant") == (Text("they met"),)


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        ({"type": "text"}, "content[0]: a block of type 'text'"),
        ({"type": "container_upload", "file_id": "f"}, "'container_upload' cannot be sent"),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, "files of the Files API"),
        ({"type": "image", "source": "x"}, "a block of type 'image'"),
        ({"type": "document", "source": {"type": "file"}}, "content[0].source: give base64"),
        ({"type": "tool_result"}, "tool_use_id: is missing"),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": {"a": 1}},
            "content[0].content: give a text",
        ),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "new"}]},
            "content[0].content[0]: a block of type 'new'",
        ),
        ({"type": "tool_use", "id": "t", "name": "f", "input": []}, "input: must be an object"),
        ({"type": "tool_reference"}, "a block of type 'tool_reference'"),
    ],
)
def test_what_the_client_says_and_nobody_could_read_is_refused(block: Any, sentence: str) -> None:
    with pytest.raises(RequestError) as caught:
        shown(block)
    assert sentence in caught.value.message
    assert caught.value.message.startswith("messages[0]")


def test_another_tier_may_be_told_what_this_one_cannot() -> None:
    """Other faults of a request stay faults wherever it goes."""
    with pytest.raises(UnsayableError):
        shown({"type": "container_upload", "file_id": "f"})
    with pytest.raises(UnsayableError):
        read(tools=[{"type": "web_search_20250305", "name": "w"}])
    with pytest.raises(RequestError) as caught:
        shown({"type": "tool_result"})
    assert not isinstance(caught.value, UnsayableError)
    assert read(mcp_servers=[]).unsaid == ("mcp_servers",)


def test_marks_of_blocks_that_have_no_word_elsewhere_are_named() -> None:
    conversation = shown(
        {"type": "text", "text": "a", "citations": [{"type": "char_location"}]},
        {
            "type": "image",
            "source": {"type": "url", "url": "https://e.com/a"},
            "transformations": {"oversized_image": "error"},
        },
    )
    assert conversation.unsaid == (
        "messages[].content[].citations",
        "messages[].content[].transformations",
    )


TOOL = {"name": "f", "input_schema": SCHEMA}


def test_tools_keep_schema_strictness_and_breakpoint() -> None:
    tools = [
        {**TOOL, "description": "F", "strict": True, "type": "custom", "cache_control": HOUR},
        {**TOOL, "name": "g"},
    ]
    conversation = read(tools=tools)
    assert conversation.tools == (
        Tool("f", "F", SCHEMA, strict=True, cache="1h"),
        Tool("g", "", SCHEMA),
    )
    assert conversation.unsaid == ()


def test_how_tools_are_loaded_is_named_where_it_cannot_be_said() -> None:
    search = {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
    deferred = {**TOOL, "defer_loading": True, "input_examples": None}
    conversation = read(tools=[search, deferred])
    assert [tool.name for tool in conversation.tools] == ["f"]
    assert conversation.unsaid == ("tools[].defer_loading", "tools[].tool_search_tool_regex")
    assert read(tools=[search, TOOL]).unsaid == ("tools[].tool_search_tool_regex",)


def test_a_deferred_tool_is_offered_once_the_clients_own_search_found_it() -> None:
    """Claude Code's way: a placeholder that nobody may call, and what `ToolSearch` has found."""
    names = ("search", "found", "called", "placeholder")
    tools = [{**TOOL, "name": name, "defer_loading": name != "search"} for name in names]
    before = read(tools=tools)
    assert [tool.name for tool in before.tools] == ["search"]
    found = {"type": "tool_reference", "tool_name": "found"}
    use = {"type": "tool_use", "id": "a", "name": "search", "input": {}}
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [use, {**use, "id": "b", "name": "called"}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": [found]},
                {"type": "tool_result", "tool_use_id": "b", "content": "done"},
            ],
        },
    ]
    after = read(messages=messages, tools=tools)
    assert [tool.name for tool in after.tools] == ["search", "found", "called"]
    assert after.unsaid == ()


@pytest.mark.parametrize(
    ("choice", "read_as"),
    [
        ({"type": "auto"}, ToolChoice("auto")),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice("required", "", False)),
        ({"type": "none"}, ToolChoice("none")),
        (
            {"type": "tool", "name": "f", "disable_parallel_tool_use": False},
            ToolChoice("tool", "f", True),
        ),
        (None, None),
    ],
)
def test_every_choice_of_tools_is_read(choice: Any, read_as: ToolChoice | None) -> None:
    assert read(tools=[TOOL], tool_choice=choice).tool_choice == read_as


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({}, None),
        ({"output_config": {}}, None),
        ({"thinking": {"type": "disabled"}}, Thinking("off")),
        ({"thinking": {"type": "between_tools"}}, Thinking("off")),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, Thinking("budget", 2000)),
        (
            {
                "thinking": {"type": "adaptive", "display": "omitted"},
                "output_config": {"effort": "max"},
            },
            Thinking("adaptive", None, "max", "omitted"),
        ),
        ({"output_config": {"effort": "low"}}, Thinking(effort="low")),
    ],
)
def test_thinking_is_read_from_its_two_places(fields: Any, thinking: Thinking | None) -> None:
    assert read(**fields).thinking == thinking


def test_settings_are_read() -> None:
    conversation = read(
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        stop_sequences=["END"],
        metadata={"user_id": "ann", "team": 5},
        service_tier="standard_only",
        output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
        stream=True,
    )
    assert conversation == Conversation(
        conversation.messages,
        max_output_tokens=5,
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        stop=("END",),
        output_schema=SCHEMA,
        service_tier="default",
        user="ann",
        metadata={"team": "5"},
    )
    older = read(output_format={"type": "json_schema", "schema": SCHEMA}, service_tier="auto")
    assert (older.output_schema, older.service_tier) == (SCHEMA, "auto")


def test_fields_no_other_dialect_has_are_named() -> None:
    conversation = read(
        context_management={"edits": []},
        container="c",
        speed="fast",
        inference_geo=None,
        service_tier="new",
        output_config={"effort": "low", "task_budget": {"total": 5}, "format": None},
    )
    assert conversation.unsaid == (
        "container",
        "context_management",
        "output_config.task_budget",
        "service_tier",
        "speed",
    )


@pytest.mark.parametrize(
    ("last", "marked"),
    [
        ({"type": "text", "text": "a"}, Text("a", "1h")),
        ({"type": "text", "text": "a", "cache_control": MARK}, Text("a", "5m")),
        ({"type": "tool_result", "tool_use_id": "t"}, ToolResult("t", (), cache="1h")),
        ({"type": "thinking", "thinking": "a", "signature": "s"}, Reasoning("a", "s")),
    ],
)
def test_a_breakpoint_for_the_whole_request_stands_at_its_end(last: Any, marked: Any) -> None:
    """Unless there is one, or nothing that could carry it."""
    conversation = read(HI, {"role": "user", "content": [last]}, cache_control=HOUR)
    assert [message.parts for message in conversation.messages] == [(Text("hi"),), (marked,)]


def test_a_breakpoint_needs_something_before_it() -> None:
    assert read({"role": "user", "content": []}, cache_control=MARK).messages[0].parts == ()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].role: 'tool' is unknown"),
        ({"mcp_servers": [{"name": "a"}]}, "mcp_servers: its tools run on Anthropic's servers"),
        ({"tools": [{"type": "web_search_20250305", "name": "w"}]}, "tools[0].type: only"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "'bash_20250124'"),
        ({"tools": [{"name": "f"}]}, "tools[0]: give it a name and an input_schema"),
        ({"tools": [{"input_schema": {}}]}, "tools[0]: give it a name"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice: use auto, any, none"),
        ({"tool_choice": {"type": "new"}}, "tool_choice: use auto, any, none"),
        ({"thinking": {"type": "new"}}, "thinking.type: use adaptive"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format: use json_schema"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format"),
        ({"temperature": "hot"}, "temperature: expected float"),
    ],
)
def test_what_would_change_the_meaning_is_refused_by_name(fields: Any, sentence: str) -> None:
    with pytest.raises(RequestError) as caught:
        read(**fields)
    assert sentence in caught.value.message
