"""Whether an agent's next step reads or writes, by its last calls, in each dialect."""

from __future__ import annotations

import json

import pytest

from twotier.domain.message import Request
from twotier.domain.task import Caller
from twotier.router.estimate import estimate
from twotier.router.nature import last_calls, step_of

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {"properties": {"input": {"type": "string"}, "arguments": {}}},
        },
    }
    for name in ("read_file", "edit_file")
]


def chat(*names: str, swapped: bool = False) -> bytes:
    """Chat completions, the tools last as many clients write them."""
    messages: list[object] = [{"role": "user", "content": 'say "arguments" and "name":"write"'}]
    for name in names:
        function = {"name": name, "arguments": '{"path": "a", "name": "write_all"}'}
        if swapped:
            function = dict(reversed(function.items()))
        messages.append({"role": "assistant", "tool_calls": [{"id": "1", "function": function}]})
        messages.append({"role": "tool", "tool_call_id": "1", "content": "..."})
    return json.dumps({"messages": messages, "tools": TOOLS}).encode()


def messages(*names: str) -> bytes:
    """Anthropic's Messages."""
    blocks = [{"type": "tool_use", "id": "t", "name": name, "input": {"x": 1}} for name in names]
    tools = [{"name": "edit", "input_schema": {"type": "object"}}]
    return json.dumps(
        {"tools": tools, "messages": [{"role": "assistant", "content": blocks}]}
    ).encode()


def responses(*names: str) -> bytes:
    """Responses."""
    items = [
        {"type": "function_call", "call_id": "1", "name": name, "arguments": "{}"} for name in names
    ]
    return json.dumps({"input": items}, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("names", "step"),
    [
        (("read_file", "grep", "list_files"), "read"),
        (("read_file", "edit_file", "edit_file"), "write"),
        (("readFile", "searchWeb"), "read"),
        (("read_file", "write_file"), "write"),
        (("MultiEdit", "Read"), "read"),
        (("bash", "bash"), ""),
        (("read_file", "bash", "write"), "write"),
        ((), ""),
    ],
)
def test_the_last_calls_tell_the_next_step(names: tuple[str, ...], step: str) -> None:
    """The last one counts double; a command may be anything."""
    for body in (chat(*names), chat(*names, swapped=True), messages(*names), responses(*names)):
        assert step_of(body) == step


def test_only_the_last_three_count_and_their_order_is_from_the_end() -> None:
    assert last_calls(chat("write", "a", "b", "c")) == ["c", "b", "a"]
    assert step_of(chat("read", "write", "read", "a", "b", "c")) == ""


def test_what_looks_like_a_call_and_is_none() -> None:
    """Descriptions of tools, texts that speak of them."""
    assert last_calls(chat()) == []
    assert last_calls(b"{}") == []


def test_a_step_is_only_looked_for_where_there_is_a_choice() -> None:
    for model, step in (("auto", "read"), ("", "read"), ("opus", "")):
        request = Request("openai_chat", chat("grep"), model, tools=2)
        assert estimate(request, Caller()).work.step == step
    request = Request("openai_chat", chat("grep"), "auto")
    assert estimate(request, Caller()).work.step == ""
