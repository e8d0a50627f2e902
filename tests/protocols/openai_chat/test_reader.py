"""A Chat Completions stream read into events, and relayed."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from twotier.domain.message import (
    Began,
    Closed,
    Ended,
    Event,
    Failed,
    Metered,
    Progress,
    ReasoningDelta,
    Request,
    TextDelta,
    ToolCallBegan,
    ToolCallDelta,
    Usage,
)
from twotier.domain.timing import Timing
from twotier.errors import StreamBrokenError
from twotier.protocols.openai_chat import StreamReader, StreamRelay

DONE = b"data: [DONE]\n\n"
BEGAN = Began("c1", "m")


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    data = {"id": "c1", "model": "m", "choices": choices, **fields}
    return f"data: {json.dumps(data)}\n\n".encode()


def read(*chunks: bytes) -> list[Event]:
    return StreamReader().feed(b"".join(chunks))


def call(**piece: Any) -> bytes:
    return chunk({"tool_calls": [piece]})


def test_a_whole_answer_is_read_to_its_terminator() -> None:
    reader = StreamReader()
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
    events = reader.feed(
        chunk({"role": "assistant", "content": ""})
        + chunk({"content": "Kö"})
        + chunk({"content": "ln", "tool_calls": []})
        + chunk({}, "stop")
        + chunk(usage=usage)
        + DONE
        + chunk({"content": "after the end"})
    )
    counted = Usage(5, 5, cache_read_tokens=3, cache_write_tokens=2, reasoning_tokens=1)
    assert events == [
        BEGAN,
        TextDelta("Kö"),
        TextDelta("ln"),
        Ended("stop"),
        Metered(counted, final=True),
        Closed(),
    ]
    reader.end()


@pytest.mark.parametrize(
    "chunks",
    [
        (),
        (b"<!DOCTYPE html><html></html>\n\n",),
        (b'{"error": "not a stream"}',),
        (chunk({"content": "a"}),),
        (chunk({"content": "a"}), DONE),
        (chunk({"content": "a"}), chunk({}, "stop")),
        (chunk({}, "tool_calls"), DONE),
    ],
)
def test_anything_less_than_finish_and_done_is_a_broken_stream(chunks: tuple[bytes, ...]) -> None:
    reader = StreamReader()
    assert Closed() not in reader.feed(b"".join(chunks))
    with pytest.raises(StreamBrokenError):
        reader.end()


@pytest.mark.parametrize("data", [b"data: <html>\n\n", b"data: [1]\n\n", b"data: {\n\n"])
def test_what_is_no_chunk_breaks_the_stream_at_once(data: bytes) -> None:
    with pytest.raises(StreamBrokenError):
        read(data)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "refusal"),
        ("eos", "stop"),
    ],
)
def test_finish_reasons_are_translated(reason: str, finish: Any) -> None:
    assert read(chunk({"content": "a"}, reason))[-1] == Ended(finish)


def test_thinking_has_two_names_and_a_refusal_is_text() -> None:
    events = read(
        chunk({"reasoning": "a"}), chunk({"reasoning_content": "b"}), chunk({"refusal": "no"})
    )
    assert events[1:] == [ReasoningDelta("a"), ReasoningDelta("b"), TextDelta("no")]


def test_calls_are_numbered_from_zero_and_closed_by_stop_too() -> None:
    events = read(
        call(index=0, id="a", function={"name": "f", "arguments": ""}),
        call(index=0, function={"arguments": '{"x"'}),
        call(index=1, id="b", function={"name": "g", "arguments": "{}"}),
        call(index=0, id="a", function={"arguments": ":1}"}),
        call(index=1),
        chunk({}, "stop"),
    )
    assert events[1:] == [
        ToolCallBegan(0, "a", "f"),
        ToolCallDelta(0, '{"x"'),
        ToolCallBegan(1, "b", "g"),
        ToolCallDelta(1, "{}"),
        ToolCallDelta(0, ":1}"),
        Ended("tool_calls"),
    ]


def test_servers_that_number_badly_are_understood() -> None:
    """Seen: index 0 for every call, no index, no id, the name after the id, an object as text."""
    same_index = read(
        call(index=0, id="a", function={"name": "f", "arguments": "{}"}),
        call(index=0, id="b", function={"name": "g", "arguments": "{}"}),
        call(index=0, function={"arguments": " "}),
    )
    assert same_index[1:] == [
        ToolCallBegan(0, "a", "f"),
        ToolCallDelta(0, "{}"),
        ToolCallBegan(1, "b", "g"),
        ToolCallDelta(1, "{}"),
        ToolCallDelta(1, " "),
    ]
    no_index = read(call(function={"name": "f", "arguments": {"x": 1}}))
    assert no_index[1:] == [ToolCallBegan(0, "call_c1_0", "f"), ToolCallDelta(0, '{"x":1}')]
    late_name = read(
        call(index=3, id="a"),
        call(index=3, function={"arguments": "{"}),
        call(index=3, function={"name": "f", "arguments": "}"}),
    )
    assert late_name[1:] == [ToolCallBegan(0, "a", "f"), ToolCallDelta(0, "{}")]


def test_names_tell_calls_apart_where_ids_and_numbers_do_not() -> None:
    """Seen: index 0 for two calls without ids; no index; the name again in every piece."""
    same = read(
        call(index=0, function={"name": "f", "arguments": "{}"}),
        call(index=0, function={"name": "g", "arguments": "{}"}),
    )
    assert [event.name for event in same if isinstance(event, ToolCallBegan)] == ["f", "g"]
    bare = read(
        call(function={"name": "f", "arguments": "{}"}),
        call(function={"name": "f", "arguments": "{}"}),
    )
    assert [event.index for event in bare if isinstance(event, ToolCallBegan)] == [0, 1]
    again = read(
        call(index=0, function={"name": "f", "arguments": "{"}),
        call(index=0, function={"name": "f", "arguments": "}"}),
    )
    assert again[1:] == [
        ToolCallBegan(0, "call_c1_0", "f"),
        ToolCallDelta(0, "{"),
        ToolCallDelta(0, "}"),
    ]


def test_a_call_of_a_custom_tool_is_that_of_a_function_of_one_string() -> None:
    events = read(
        call(index=0, id="a", type="custom", custom={"name": "patch", "input": ""}),
        call(index=0, custom={"input": 'say "'}),
        call(index=0, custom={"input": 'a"'}),
        chunk({}, "tool_calls"),
    )
    text = "".join(event.arguments for event in events if isinstance(event, ToolCallDelta))
    assert events[1] == ToolCallBegan(0, "a", "patch")
    assert json.loads(text) == {"input": 'say "a"'}
    assert events[-1] == Ended("tool_calls")


def test_a_call_in_the_old_form_is_a_call() -> None:
    """A relayed client may still ask with `functions`; its answer is no failure."""
    events = read(
        chunk({"function_call": {"name": "f", "arguments": ""}}),
        chunk({"function_call": {"arguments": "{}"}}),
        chunk({}, "function_call"),
    )
    assert events[1:] == [
        ToolCallBegan(0, "call_c1_0", "f"),
        ToolCallDelta(0, "{}"),
        Ended("tool_calls"),
    ]


@pytest.mark.parametrize(
    ("fields", "sequence"),
    [
        ({"stop_reason": "END"}, "END"),
        ({"stop_reason": 128_009}, ""),
        ({"stop_reason": None, "matched_stop": "X"}, "X"),
        ({"matched_stop": 2}, ""),
    ],
)
def test_the_sequence_that_stopped_it_is_read(fields: Any, sequence: str) -> None:
    """VLLM and SGLang tell it, or the number of the token."""
    choice = {"index": 0, "delta": {}, "finish_reason": "stop", **fields}
    events = read(f"data: {json.dumps({'choices': [choice]})}\n\n".encode())
    assert events == [Ended("stop", sequence)]


def test_a_finish_that_comes_twice_is_one() -> None:
    events = read(chunk({"content": "a"}, "stop"), chunk({}, "stop"), DONE)
    assert events[1:] == [TextDelta("a"), Ended("stop"), Closed()]


def test_text_and_a_call_in_one_chunk_are_both_read() -> None:
    piece = {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}
    events = read(chunk({"content": "t", "tool_calls": [piece]}, "tool_calls"))
    assert events[1:] == [TextDelta("t"), ToolCallBegan(0, "a", "f"), Ended("tool_calls")]


@pytest.mark.parametrize(
    "chunks", [(chunk({}, "tool_calls"),), (call(index=0, id="a"), chunk({}, "tool_calls"))]
)
def test_an_end_for_tools_without_a_call_is_a_failure(chunks: tuple[bytes, ...]) -> None:
    events = read(*chunks, chunk(usage={"prompt_tokens": 1}), DONE)
    assert isinstance(events[-1], Failed)
    assert events[-1].kind == "tool_calls_missing"


def test_who_repairs_the_calls_judges_an_end_for_tools_without_one() -> None:
    """It may stand in the text. Half a call without a name does not."""
    reader = StreamReader(repaired=True)
    assert reader.feed(chunk({}, "tool_calls") + DONE) == [BEGAN, Ended("tool_calls"), Closed()]
    reader.end()
    half = StreamReader(repaired=True).feed(call(index=0, id="a") + chunk({}, "tool_calls"))
    assert isinstance(half[-1], Failed)


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        ({"error": {"message": "m", "type": "t", "code": 503}}, Failed("m", "t", 503)),
        (
            {"error": {"message": "m", "type": "rate_limit_error"}},
            Failed("m", "rate_limit_error", 429),
        ),
        (
            {"error": {"message": "m", "code": "rate_limit_exceeded"}},
            Failed("m", "api_error", 429),
        ),
        ({"error": {"message": "m", "code": 7}}, Failed("m", "api_error", 502)),
        ({"error": "text"}, Failed("text", "api_error", 502)),
        ({"object": "error", "message": "m"}, Failed("m", "api_error", 502)),
        (
            {"error": {}},
            Failed("the upstream reported an error without a message", "api_error", 502),
        ),
    ],
)
def test_an_error_inside_the_stream_is_a_failure(error: Any, failed: Failed) -> None:
    data = f"data: {json.dumps(error)}\n\n".encode()
    assert read(chunk({"content": "a"}), data, DONE) == [BEGAN, TextDelta("a"), failed]


def test_signs_of_life_are_progress() -> None:
    events = read(b": keepalive 2048/4096\n\n", b": processing\n\n", b":\n\n")
    assert events == [Progress(2048, 4096), Progress(), Progress()]


def test_usage_in_every_chunk_is_not_final_before_the_end() -> None:
    events = read(
        chunk({"content": "a"}, usage={"prompt_tokens": 3, "completion_tokens": 1}),
        chunk({}, "stop", usage={"prompt_tokens": 3, "completion_tokens": 2}),
    )
    assert events[-3:] == [Metered(Usage(3, 1)), Ended("stop"), Metered(Usage(3, 2), final=True)]


def test_a_chunk_without_id_and_model_begins_nothing() -> None:
    assert read(b'data: {"choices": [{"delta": null}]}\n\n') == []


def test_usage_never_goes_below_zero() -> None:
    details = {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 5}}
    assert read(chunk(usage=details))[-1] == Metered(Usage(cache_read_tokens=5))


REQUEST = Request("openai_chat", b"{}", "m", include_usage=True)
ANSWER = (
    chunk({"role": "assistant", "content": ""})
    + b": keepalive 1/2\n\n"
    + chunk({"content": "Grüße 🙂"})
    + call(index=0, id="a", function={"name": "f", "arguments": "{}"})
    + chunk({}, "tool_calls")
    + chunk(usage={"prompt_tokens": 3, "completion_tokens": 2})
    + DONE
)


@given(st.lists(st.integers(0, len(ANSWER)), max_size=10))
def test_any_cut_gives_the_same_events_and_the_same_relay(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(ANSWER)]
    pieces = [ANSWER[start:end] for start, end in pairwise(edges)]
    reader, relay = StreamReader(), StreamRelay(REQUEST)
    events = [event for piece in pieces for event in reader.feed(piece)]
    assert events == read(ANSWER)
    passed = [relay.feed(piece) for piece in pieces]
    assert b"".join(out for out, _ in passed) == ANSWER
    assert [event for _, found in passed for event in found] == events
    reader.end()
    relay.end()


def test_the_usage_that_only_we_wanted_does_not_reach_the_client() -> None:
    relay = StreamRelay(replace(REQUEST, include_usage=False))
    out, events = relay.feed(ANSWER)
    assert b"prompt_tokens" not in out
    assert Metered(Usage(3, 2), final=True) in events
    assert out.endswith(DONE)


def test_usage_beside_an_empty_choice_is_no_usage_chunk() -> None:
    """Continuous usage (vLLM): the chunk has a choice and so is the client's."""
    relay = StreamRelay(replace(REQUEST, include_usage=False))
    relay.feed(chunk({"content": "a"}))
    assert relay.feed(chunk({}, usage={"prompt_tokens": 1}))[0] != b""


def test_a_relay_holds_back_what_would_look_like_success() -> None:
    relay = StreamRelay(REQUEST)
    out, _ = relay.feed(chunk({"content": "a"}) + DONE)
    assert b"[DONE]" not in out
    with pytest.raises(StreamBrokenError):
        relay.end()


def test_a_relay_leaves_the_error_to_the_caller() -> None:
    relay = StreamRelay(REQUEST)
    out, events = relay.feed(b'data: {"error": "boom"}\n\n')
    assert (out, events) == (b"", [Failed("boom", "api_error", 502)])
    out, events = relay.feed(chunk({}, "tool_calls"))
    assert events == []


def test_the_times_that_llama_cpp_tells_are_taken_and_anything_else_there_is_ignored() -> None:
    """Milliseconds beside the usage; in another server's answers the field may hold anything."""
    usage = {"prompt_tokens": 3, "completion_tokens": 2}
    times = {"prompt_n": 3, "prompt_ms": 1500.0, "predicted_n": 2, "predicted_ms": 40, "cache_n": 1}
    (*_, told) = read(chunk({}, "stop", usage=usage, timings=times))
    assert told == Metered(Usage(3, 2), final=True, timing=Timing(3, 1.5, 2, 0.04))
    for other in ("12 ms", [1], {"prompt_n": "many"}, None):
        (*_, told) = read(chunk({}, "stop", usage=usage, timings=other))
        assert told == Metered(Usage(3, 2), final=True)


def test_how_far_llama_cpp_has_read_is_a_sign_of_life_with_figures() -> None:
    """`prompt_progress`, and anything else under that name is nothing."""
    told = {"total": 4096, "cache": 0, "processed": 2048, "time_ms": 900}
    assert Progress(2048, 4096) in read(chunk({"role": "assistant"}, prompt_progress=told))
    for other in ("half", {"total": "all"}, None):
        events = read(chunk({"role": "assistant"}, prompt_progress=other))
        assert not [event for event in events if isinstance(event, Progress) and event.total]
