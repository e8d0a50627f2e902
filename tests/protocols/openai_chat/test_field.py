"""Answers as real servers gave them and other gateways bent them, each with its thread.

Numbers are of the trackers of LiteLLM, Portkey, Bifrost and claude-code-router (CCR).
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from twotier.domain.message import (
    Began,
    Closed,
    Conversation,
    Ended,
    Event,
    Failed,
    Message,
    Metered,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallBegan,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from twotier.errors import StreamBrokenError
from twotier.protocols.assemble import Assembly
from twotier.protocols.openai_chat import (
    StreamReader,
    read_conversation,
    read_error,
    read_whole,
    write_request,
)

DONE = "data: [DONE]\n\n"


def stream(*choices: dict[str, Any], tail: str = DONE) -> list[Event]:
    """The events of chunks with these choices."""
    head = {"id": "c", "object": "chat.completion.chunk", "model": "m"}
    chunks = [f"data: {json.dumps({**head, 'choices': [choice]})}\n\n" for choice in choices]
    return StreamReader().feed(("".join(chunks) + tail).encode())


def delta(**fields: Any) -> dict[str, Any]:
    """A chunk's choice without an end."""
    return {"index": 0, "delta": fields, "finish_reason": None}


STOP: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "stop"}
CALLS: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "tool_calls"}


def test_an_empty_list_of_calls_beside_text_is_text() -> None:
    """LiteLLM 29286 (vLLM): the text became empty pieces of a call, and Claude Code saw nothing."""
    events = stream(
        delta(role="assistant", content="", tool_calls=[]), delta(content="Hi", tool_calls=[]), STOP
    )
    assert events == [Began("c", "m"), TextDelta("Hi"), Ended("stop"), Closed()]


def test_text_and_a_call_in_one_chunk_keep_the_name() -> None:
    """LiteLLM 18238: the name of the tool was lost."""
    call = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}
    events = stream(
        delta(content="Let me look.", tool_calls=[call]),
        delta(tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]),
        CALLS,
    )
    assert events[1:-2] == [
        TextDelta("Let me look."),
        ToolCallBegan(0, "a", "f"),
        ToolCallDelta(0, "{}"),
    ]


def test_a_whole_call_in_the_chunk_that_ends_it_is_read() -> None:
    """LiteLLM 25605 (Ollama), 25836 (Gemini): the arguments of such a call were dropped."""
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}
    events = stream({**delta(tool_calls=[call]), "finish_reason": "tool_calls"})
    assert events[1:] == [
        ToolCallBegan(0, "a", "f"),
        ToolCallDelta(0, '{"x":1}'),
        Ended("tool_calls"),
        Closed(),
    ]


def test_several_calls_with_wrong_numbers_stay_apart() -> None:
    """Portkey 1275: every call had number 0, and their arguments were run together."""
    calls = [
        {"index": 0, "id": id_, "function": {"name": "f", "arguments": f'{{"x":"{id_}"}}'}}
        for id_ in ("a", "b", "c")
    ]
    events = stream(*(delta(tool_calls=[call]) for call in calls), CALLS)
    began = [event for event in events if isinstance(event, ToolCallBegan)]
    assert [(event.index, event.id) for event in began] == [(0, "a"), (1, "b"), (2, "c")]


def test_a_call_without_id_and_with_a_late_name_is_read() -> None:
    """LiteLLM 15884: streamed calls came without id and name, and the client could do nothing."""
    events = stream(
        delta(tool_calls=[{"index": 0, "function": {"arguments": ""}}]),
        delta(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": "{}"}}]),
        CALLS,
    )
    assert events[1:3] == [ToolCallBegan(0, "call_c_0", "f"), ToolCallDelta(0, "{}")]


def test_a_call_after_thinking_is_read() -> None:
    """OpenClaw 87687: calls were lost where the thinking was streamed first."""
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
    events = stream(
        delta(role="assistant", reasoning="Hm."), delta(content=None, tool_calls=[call]), CALLS
    )
    assert events[1:4] == [
        ReasoningDelta("Hm."),
        ToolCallBegan(0, "a", "f"),
        ToolCallDelta(0, "{}"),
    ]


def test_a_role_that_is_missing_or_repeated_changes_nothing() -> None:
    """Portkey 1399: no role at all; mlx-lm: the role in every chunk."""
    bare = stream(delta(content="Hi"), STOP)
    repeated = stream(delta(role="assistant", content="Hi"), {**STOP, "delta": {"role": "x"}})
    assert bare == repeated


def test_an_event_cut_across_two_reads_is_one() -> None:
    """CCR 198: the client hung for ever."""
    reader = StreamReader()
    data = b'data: {"choices": [{"delta": {"content": "K\xc3\xb6ln"}}]}\n\n'
    events = [event for at in range(len(data)) for event in reader.feed(data[at : at + 1])]
    assert events == [TextDelta("Köln")]


@pytest.mark.parametrize("body", ["<html>Sign in</html>", "", '{"choices": []}', "null"])
def test_a_page_with_status_200_is_no_empty_answer(body: str) -> None:
    """A proxy's sign-in page was passed on as an answer without a word."""
    with pytest.raises(StreamBrokenError):
        read_whole(body.encode())
    reader = StreamReader()
    assert reader.feed(body.encode() + b"\n\n") == []
    with pytest.raises(StreamBrokenError):
        reader.end()


def test_an_error_that_is_only_a_text_is_an_error() -> None:
    """mlx-lm says it so, in a stream and as a reply."""
    assert stream(delta(content="a"), tail='data: {"error": "the thread died"}\n\n')[-1] == Failed(
        "the thread died", "api_error", 502
    )
    assert "the thread died" in read_error(404, b'{"error": "the thread died"}', headers={}).message


def test_an_overloaded_upstream_stays_one() -> None:
    """LiteLLM makes 529 a 500, and its clients give up instead of waiting."""
    body = b'{"error": {"message": "Overloaded", "type": "overloaded_error"}}'
    error = read_error(529, body, headers={"retry-after": "7"})
    assert (error.upstream_status, error.upstream_kind) == (529, "overloaded_error")
    assert error.retry_after_seconds == 7
    tail = 'data: {"error": {"message": "Overloaded", "type": "overloaded_error"}}\n\n'
    assert stream(tail=tail) == [Failed("Overloaded", "overloaded_error", 529)]


def test_a_figure_of_nought_is_kept() -> None:
    """LiteLLM 37992: an explicit zero was billed by estimate; 31069: cached tokens were lost."""
    usage = {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}
    usage |= {"prompt_tokens_details": {"cached_tokens": 9}}  # type: ignore[dict-item]
    tail = f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n{DONE}"
    assert stream(STOP, tail=tail)[-2] == Metered(Usage(0, 0, cache_read_tokens=9), final=True)


def test_parallel_results_in_one_turn_follow_their_calls_one_by_one() -> None:
    """Portkey 980: 400 by the upstream, patched by hand for months."""
    conversation = Conversation(
        (
            Message("user", (Text("both"),)),
            Message("assistant", (ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}"))),
            Message(
                "user", (ToolResult("b", (Text("2"),)), ToolResult("a", (Text("1"),)), Text("so?"))
            ),
        )
    )
    out = write_request(conversation, model="m", max_output_tokens=5, stream=False)
    messages = json.loads(out.body)["messages"]
    told = [(m["role"], m.get("tool_call_id"), m["content"]) for m in messages[2:]]
    assert told == [("tool", "a", "1"), ("tool", "b", "2"), ("user", None, "so?")]


def test_a_mark_for_the_cache_is_kept_on_the_way_in() -> None:
    """LLM Gateway 1871: it was lost on the way, and nothing ever came from the cache."""
    part = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}
    body = json.dumps({"messages": [{"role": "user", "content": [part]}]}).encode()
    assert read_conversation(body).messages[0].parts == (Text("long", "5m"),)


def test_a_schema_with_nulls_and_references_goes_through_unchanged() -> None:
    """Nullable, `$ref` and `strict` were the first things that other translators dropped."""
    schema = {
        "type": "object",
        "$defs": {"city": {"type": ["string", "null"]}},
        "properties": {"at": {"$ref": "#/$defs/city"}, "n": {"anyOf": [{"type": "null"}]}},
        "required": ["at"],
        "additionalProperties": False,
    }
    tool = {"type": "function", "function": {"name": "f", "parameters": schema, "strict": True}}
    given = {"messages": [{"role": "user", "content": "hi"}], "tools": [tool]}
    conversation = read_conversation(json.dumps(given).encode())
    out = write_request(conversation, model="m", max_output_tokens=5, stream=False)
    assert json.loads(out.body)["tools"] == [tool]


def test_an_answer_that_ends_early_is_never_put_together() -> None:
    """LiteLLM reports an early end as success, with `stop`."""
    assembly = Assembly()
    for event in stream(delta(content="half"), tail=""):
        assembly.fold(event)
    with pytest.raises(StreamBrokenError):
        assembly.whole()
