"""The input items of a body, as turns."""

from __future__ import annotations

import json
from typing import Any

import pytest

from twotier.domain.message import (
    Conversation,
    Document,
    Image,
    Message,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from twotier.errors import RequestError
from twotier.protocols.freeform import wrapped
from twotier.protocols.openai_responses import read_conversation


def read(*items: Any) -> Conversation:
    return read_conversation(json.dumps({"input": list(items)}).encode())


def turns(*items: Any) -> tuple[Message, ...]:
    return read(*items).messages


def parts(*content: Any, role: str = "user") -> tuple[Part, ...]:
    """The parts of one message."""
    (message,) = turns({"type": "message", "role": role, "content": list(content)})
    return message.parts


def test_every_role_is_read_with_and_without_a_type() -> None:
    assert turns(
        {"role": "system", "content": "be brief"},
        {"role": "developer", "content": "be kind"},
        {"type": "message", "role": "user", "content": "hi", "id": "msg_1", "status": "completed"},
        {"type": None, "role": "assistant", "content": "hello"},
    ) == (
        Message("system", (Text("be brief"),)),
        Message("system", (Text("be kind"),)),
        Message("user", (Text("hi"),)),
        Message("assistant", (Text("hello"),)),
    )


def test_every_kind_of_part_is_read() -> None:
    mark = {"prompt_cache_breakpoint": {"mode": "explicit"}}
    hour = {"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}
    assert parts(
        {"type": "input_text", "text": "a", **mark},
        {"type": "output_text", "text": "b", "annotations": []},
        {"type": "text", "text": "c"},
        {"type": "refusal", "refusal": "no"},
        {"type": "input_image", "image_url": "https://e.com/a.png", "detail": "low", **hour},
        {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64,AA==",
        },
        {"type": "input_file", "filename": "a.txt", "file_data": "R3LDvMOfZQ==", **mark},
        {"type": "input_file", "file_url": "https://e.com/a.pdf"},
    ) == (
        Text("a", cache="5m"),
        Text("b"),
        Text("c"),
        Text("no"),
        Image(url="https://e.com/a.png", detail="low", cache="1h"),
        Image(data="AA==", media_type="image/png"),
        Document("a.pdf", data="AA==", media_type="application/pdf"),
        Document("a.txt", text="Grüße", media_type="text/plain", cache="5m"),
        Document(url="https://e.com/a.pdf"),
    )
    assert parts() == ()


def test_a_turn_of_the_assistant_is_one_message() -> None:
    """Thinking, text and calls of one turn come as items of their own; each answer stays alone."""
    assert turns(
        {"role": "user", "content": "hi"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "look"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": {"a": 2}},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {
            "type": "function_call_output",
            "call_id": "c2",
            "output": [
                {"type": "input_text", "text": "two"},
                {"type": "input_image", "image_url": "https://e.com/a.png"},
            ],
        },
        {"role": "assistant", "content": "done"},
    ) == (
        Message("user", (Text("hi"),)),
        Message(
            "assistant",
            (
                Reasoning("hm"),
                Text("look"),
                ToolCall("c1", "f", '{"a": 1}'),
                ToolCall("c2", "f", '{"a": 2}'),
            ),
        ),
        Message("tool", (ToolResult("c1", (Text("one"),)),)),
        Message("tool", (ToolResult("c2", (Text("two"), Image(url="https://e.com/a.png"))),)),
        Message("assistant", (Text("done"),)),
    )


def test_custom_calls_and_namespaces_are_calls() -> None:
    assert turns(
        {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": "a\nb"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "note", "namespace": "crm"},
        {"type": "function_call", "call_id": "c3", "name": "find", "namespace": "crm"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "ok"},
    ) == (
        Message(
            "assistant",
            (
                ToolCall("c1", "patch", wrapped("a\nb"), freeform=True),
                ToolCall("c2", "crm__note", wrapped(""), freeform=True),
                ToolCall("c3", "crm__find", ""),
            ),
        ),
        Message("tool", (ToolResult("c1", (Text("ok"),)),)),
    )


def reasoning(**fields: Any) -> Conversation:
    return read({"type": "reasoning", "id": "rs_1", **fields})


def test_sealed_thinking_comes_back_with_its_seal() -> None:
    """As our own answers carry it in `encrypted_content`, and Codex gives it back."""
    summary = [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]
    signed = reasoning(summary=summary, encrypted_content="twotier:signature:s1", content=None)
    assert signed.messages == (Message("assistant", (Reasoning("a\n\nb", "s1"),)),)
    unseen = reasoning(summary=[], encrypted_content="twotier:signature:s1")
    assert unseen.messages == (Message("assistant", (Reasoning("", "s1"),)),)
    hidden = reasoning(summary=[], encrypted_content="twotier:hidden:h1")
    assert hidden.messages == (Message("assistant", (Reasoning("", hidden="h1"),)),)
    assert signed.unsaid == unseen.unsaid == hidden.unsaid == ()


def test_what_somebody_else_sealed_is_named_and_only_its_text_stays() -> None:
    text = [{"type": "reasoning_text", "text": "hm"}]
    foreign = reasoning(summary=[], content=text, encrypted_content="gAAAAforeign")
    assert foreign.messages == (Message("assistant", (Reasoning("hm"),)),)
    nothing = reasoning(summary=[], encrypted_content="gAAAAforeign")
    assert nothing.messages == ()
    assert foreign.unsaid == nothing.unsaid == ("input[].encrypted_content",)


def test_calls_of_openais_tools_that_the_client_ran_are_calls() -> None:
    """Their names are those of the tools, their arguments the action."""
    assert turns(
        {"type": "local_shell_call", "id": "i1", "call_id": "c1", "action": {"command": ["ls"]}},
        {"type": "local_shell_call_output", "id": "c1", "output": "a.txt"},
        {"type": "shell_call", "call_id": "c2", "action": {"commands": ["ls"]}},
        {
            "type": "shell_call_output",
            "call_id": "c2",
            "output": [
                {"stdout": "out", "stderr": "err", "outcome": {"type": "exit", "exit_code": 1}},
                {"stdout": "", "stderr": "", "outcome": {"type": "timeout"}},
                {"stdout": "more"},
            ],
        },
        {"type": "apply_patch_call", "call_id": "c3", "operation": {"type": "delete_file"}},
        {"type": "apply_patch_call_output", "call_id": "c3", "status": "failed", "output": "no"},
        {"type": "apply_patch_call_output", "call_id": "c4", "status": "completed"},
    ) == (
        Message("assistant", (ToolCall("c1", "local_shell", '{"command": ["ls"]}'),)),
        Message("tool", (ToolResult("c1", (Text("a.txt"),)),)),
        Message("assistant", (ToolCall("c2", "shell", '{"commands": ["ls"]}'),)),
        Message(
            "tool", (ToolResult("c2", (Text("out\nerr\n(exit code 1)"), Text(""), Text("more"))),)
        ),
        Message("assistant", (ToolCall("c3", "apply_patch", '{"type": "delete_file"}'),)),
        Message("tool", (ToolResult("c3", (Text("no"),), failed=True),)),
        Message("tool", (ToolResult("c4", ()),)),
    )


def test_a_call_of_a_remote_server_holds_its_answer() -> None:
    call = {"type": "mcp_call", "id": "m1", "server_label": "git", "name": "log", "arguments": "{}"}
    assert turns({**call, "output": "commits"}, {**call, "id": "m2", "error": "down"}) == (
        Message("assistant", (ToolCall("m1", "git__log", "{}"),)),
        Message("tool", (ToolResult("m1", (Text("commits"),)),)),
        Message("assistant", (ToolCall("m2", "git__log", "{}"),)),
        Message("tool", (ToolResult("m2", (Text("down"),), failed=True),)),
    )
    assert turns({**call, "output": None})[1] == Message("tool", (ToolResult("m1", ()),))


def test_what_openai_ran_is_named() -> None:
    conversation = read(
        {
            "type": "web_search_call",
            "id": "w1",
            "status": "completed",
            "action": {"type": "search"},
        },
        {"type": "mcp_list_tools", "id": "l1", "server_label": "git", "tools": []},
        {"role": "assistant", "content": "found", "phase": "commentary"},
    )
    assert conversation.messages == (Message("assistant", (Text("found"),)),)
    assert conversation.unsaid == (
        "input[].mcp_list_tools",
        "input[].phase",
        "input[].web_search_call",
    )


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        ({"role": "tool", "content": "x"}, r"input\[0\].role: 'tool' is unknown; use user"),
        ({"type": "message", "content": "x"}, r"input\[0\].role: None is unknown"),
        ({"content": "x"}, r"input\[0\]: an item of type '': it cannot be sent"),
        ({"type": "item_reference", "id": "i"}, "no items are kept here; send the item itself"),
        ({"type": "compaction", "encrypted_content": "x"}, "only OpenAI can read it"),
        ({"type": "computer_call", "call_id": "c"}, "'computer_call': it cannot be sent"),
        ({"type": "function_call", "name": "f"}, r"input\[0\].call_id: is missing"),
        ({"type": "function_call", "call_id": "c"}, r"input\[0\].name: is missing"),
        ({"type": "function_call_output", "output": "x"}, r"input\[0\].call_id: is missing"),
        ({"type": "function_call_output", "call_id": "c", "output": 3}, "expected str"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, r"content\[0\]: a part of type"),
        ({"role": "user", "content": [{"type": "input_text"}]}, r"content\[0\]: a part of type"),
        ({"role": "user", "content": [{"type": "refusal"}]}, "a part of type 'refusal'"),
        (
            {"role": "user", "content": [{"type": "input_image", "file_id": "f"}]},
            r"content\[0\].file_id: files are not kept here; send it as image_url",
        ),
        (
            {
                "role": "user",
                "content": [{"type": "input_image", "image_url": "file:///etc/passwd"}],
            },
            r"image_url: give an http\(s\) URL",
        ),
        ({"role": "user", "content": [{"type": "input_image"}]}, "image_url: give an http"),
        (
            {"role": "user", "content": [{"type": "input_file", "file_id": "f"}]},
            r"content\[0\].file_id: files are not kept here; send it as file_data",
        ),
        ({"role": "user", "content": [{"type": "input_file"}]}, "send a file as file_data"),
        (
            {
                "role": "user",
                "content": [{"type": "input_file", "file_data": "data:a/b;base64,AA=="}],
            },
            "a/b cannot be sent to this model",
        ),
    ],
)
def test_a_wrong_item_is_named(item: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        read(item)
