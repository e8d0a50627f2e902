"""Events written as a Chat Completions stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.fakes.openai_server import FakeOpenAI, Raw
from twotier.domain.message import (
    Began,
    Closed,
    Ended,
    Event,
    Failed,
    Metered,
    Progress,
    Reasoning,
    ReasoningDelta,
    Request,
    Text,
    TextDelta,
    ToolCall,
    ToolCallBegan,
    ToolCallDelta,
    Usage,
    Whole,
)
from twotier.errors import BudgetError, UpstreamError
from twotier.protocols.assemble import Assembly
from twotier.protocols.openai_chat import StreamReader, StreamWriter, read_whole, write_whole

USAGE = Usage(
    5, 7, cache_read_tokens=3, cache_write_tokens=1, cache_write_1h_tokens=2, reasoning_tokens=4
)
REQUEST = Request("openai_chat", b"{}", "m")
ANSWER: tuple[Event, ...] = (
    Began("theirs", "their-model"),
    Progress(5, 10),
    ReasoningDelta("hm"),
    ReasoningDelta("", "signed"),
    TextDelta("Grüße 🙂"),
    TextDelta(""),
    ToolCallBegan(0, "call_a", "f"),
    ToolCallDelta(0, '{"x":'),
    ToolCallDelta(0, ""),
    ToolCallDelta(0, "1}"),
    ToolCallBegan(1, "call_b", "g"),
    ToolCallDelta(1, "{}"),
    Metered(USAGE, final=True),
    Ended("tool_calls"),
    Closed(),
)


def writer(*, include_usage: bool = True) -> StreamWriter:
    request = replace(REQUEST, include_usage=include_usage)
    return StreamWriter("id1", model="m", created=1700000000, request=request)


def pieces(events: Sequence[Event], *, include_usage: bool = True) -> list[bytes]:
    made = writer(include_usage=include_usage)
    return [made.write(event) for event in events]


def objects(data: list[bytes]) -> list[Any]:
    lines = [line for line in b"".join(data).decode().split("\n") if line.startswith("data: {")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def test_each_event_is_one_chunk_of_the_sdks_type_or_nothing() -> None:
    written = pieces(ANSWER)
    silent = [event for event, piece in zip(ANSWER, written, strict=True) if not piece]
    assert silent == [ANSWER[0], ANSWER[5], ANSWER[8], ANSWER[12]]
    for data in objects(written):
        ChatCompletionChunk.model_validate(data, strict=True)
    assert written[1] == b": keepalive 5/10\n\n"
    assert written[-1].endswith(b"data: [DONE]\n\n")
    assert [d["choices"][0]["delta"].get("role") for d in objects(written[:6])] == [
        "assistant",
        None,
        None,
    ]


def test_usage_is_written_only_for_clients_that_asked() -> None:
    assert "usage" in objects(pieces(ANSWER))[-1]
    assert all("usage" not in data for data in objects(pieces(ANSWER, include_usage=False)))
    assert pieces([Ended("stop"), Closed()])[-1] == b"data: [DONE]\n\n"
    assert pieces([Progress()]) == [b": keepalive\n\n"]


def test_usage_counts_as_openai_counts() -> None:
    usage = objects(pieces(ANSWER))[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (
        11,
        7,
        18,
    )
    assert usage["prompt_tokens_details"] == {"cached_tokens": 3, "cache_write_tokens": 3}


def test_an_error_ends_the_stream_without_done() -> None:
    made = writer()
    made.write(TextDelta("a"))
    assert b"[DONE]" not in made.error(BudgetError("no money left; raise the limit"))
    failed = made.write(Failed("Overloaded", "overloaded_error", 529))
    assert objects([failed])[0]["error"] == {
        "message": "Overloaded",
        "type": "overloaded_error",
        "param": None,
        "code": "529",
    }


EVENTS = st.lists(
    st.one_of(
        st.builds(TextDelta, st.text(st.characters(exclude_categories=["Cs"]), min_size=1)),
        st.builds(ReasoningDelta, st.text(st.characters(exclude_categories=["Cs"]), min_size=1)),
    ),
    max_size=8,
)


@given(EVENTS, st.sampled_from(["stop", "length", "refusal"]))
def test_what_is_written_is_read_again(events: list[Event], finish: Any) -> None:
    usage = Metered(Usage(2, 3, cache_read_tokens=1), final=True)
    whole = [*events, Ended(finish), usage, Closed()]
    reader = StreamReader()
    found = reader.feed(b"".join(pieces(whole)))
    reader.end()
    assert [event for event in found if not isinstance(event, Began)] == whole


def test_the_official_sdk_accepts_the_stream() -> None:
    """Fed through a real server, chunk by chunk, into the SDK's own accumulator."""
    with (
        FakeOpenAI() as server,
        openai.OpenAI(base_url=f"{server.base_url}/v1", api_key="x", max_retries=0) as client,
    ):
        server.queue(Raw(tuple(piece for piece in pieces(ANSWER) if piece)))
        with client.chat.completions.stream(
            model="m",
            messages=[{"role": "user", "content": "hi"}],
            stream_options={"include_usage": True},
        ) as stream:
            completion = stream.get_final_completion()
    message = completion.choices[0].message
    assert message.content == "Grüße 🙂"
    assert [(c.id, c.function.name, c.function.arguments) for c in message.tool_calls or ()] == [
        ("call_a", "f", '{"x":1}'),
        ("call_b", "g", "{}"),
    ]
    assert completion.choices[0].finish_reason == "tool_calls"
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 11


def test_the_official_sdk_raises_what_we_write_as_an_error() -> None:
    made = writer()
    data = made.write(TextDelta("a"))
    error = UpstreamError("Overloaded", upstream_status=529, upstream_kind="overloaded_error")
    with (
        FakeOpenAI() as server,
        openai.OpenAI(base_url=f"{server.base_url}/v1", api_key="x", max_retries=0) as client,
    ):
        server.queue(Raw((data, made.error(error))))
        stream = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        with pytest.raises(openai.APIError, match="Overloaded"):
            list(stream)


CUSTOM = Request(
    "openai_chat", b'{"tools": [{"type": "custom", "custom": {"name": "patch"}}]}', "m"
)
PATCHED: tuple[Event, ...] = (
    ToolCallBegan(0, "call_a", "patch"),
    ToolCallDelta(0, '{"input": "say \\"a'),
    ToolCallBegan(1, "call_b", "f"),
    ToolCallDelta(1, "{}"),
    ToolCallDelta(0, '\\""}'),
    Ended("tool_calls", "END"),
    Closed(),
)


def test_a_call_of_a_custom_tool_is_one_for_the_client_that_knows_it_as_that() -> None:
    made = StreamWriter("id1", model="m", created=1, request=CUSTOM)
    written = [made.write(event) for event in PATCHED]
    deltas = [data["choices"][0] for data in objects(written)]
    custom = [
        call["custom"]
        for choice in deltas
        for call in choice["delta"].get("tool_calls", ())
        if "custom" in call
    ]
    assert custom == [{"name": "patch", "input": ""}, {"input": 'say "a"'}]
    assert (deltas[-1]["finish_reason"], deltas[-1]["stop_reason"]) == ("tool_calls", "END")
    assembly = Assembly()
    for event in StreamReader().feed(b"".join(written)):
        assembly.fold(event)
    whole = assembly.whole()
    data = write_whole(whole, created=1, request=CUSTOM)
    message = json.loads(data)["choices"][0]["message"]
    assert message["tool_calls"][0] == {
        "id": "call_a",
        "type": "custom",
        "custom": {"name": "patch", "input": 'say "a"'},
    }
    assert message["tool_calls"][1]["type"] == "function"
    arguments = '{"input":"say \\"a\\""}'
    assert read_whole(data).parts[0] == ToolCall("call_a", "patch", arguments, freeform=True)
    assert read_whole(data).stop_sequence == "END"
    ChatCompletion.model_validate_json(data)


PARTS = st.lists(
    st.one_of(
        st.builds(Text, st.text(st.characters(exclude_categories=["Cs"]), min_size=1)),
        st.builds(Reasoning, st.text(st.characters(exclude_categories=["Cs"]), min_size=1)),
        st.builds(ToolCall, st.just("c"), st.just("f"), st.sampled_from(["{}", '{"a":1}', "{"])),
    ),
    max_size=4,
)


@settings(deadline=None)
@given(PARTS, st.sampled_from([None, Usage(2, 3, cache_read_tokens=1)]))
def test_a_whole_answer_is_the_sdks_type_and_is_read_again(
    parts: list[Any], usage: Usage | None
) -> None:
    calls = [part for part in parts if isinstance(part, ToolCall)]
    finish: Any = "tool_calls" if calls else "stop"
    data = write_whole(Whole("i", "m", tuple(parts), finish, usage), created=1, request=REQUEST)
    ChatCompletion.model_validate_json(data)
    again = read_whole(data)
    texts = "".join(part.text for part in parts if isinstance(part, Text))
    assert "".join(part.text for part in again.parts if isinstance(part, Text)) == texts
    assert [part for part in again.parts if isinstance(part, ToolCall)] == calls
    assert (again.finish, again.usage) == (finish, usage)


def test_the_stream_of_an_answer_assembles_to_the_whole() -> None:
    assembly = Assembly()
    for event in StreamReader().feed(b"".join(pieces(ANSWER))):
        assembly.fold(event)
    whole = assembly.whole()
    assert whole.parts == (
        Reasoning("hm", "signed"),
        Text("Grüße 🙂"),
        ToolCall("call_a", "f", '{"x":1}'),
        ToolCall("call_b", "g", "{}"),
    )
    assert read_whole(write_whole(whole, created=1, request=REQUEST)) == whole
