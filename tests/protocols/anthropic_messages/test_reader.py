"""A Messages stream read into events."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.domain.message import (
    Began,
    Closed,
    Ended,
    Event,
    Failed,
    Metered,
    Progress,
    ReasoningDelta,
    TextDelta,
    ToolCallBegan,
    ToolCallDelta,
    Usage,
)
from twotier.errors import StreamBrokenError
from twotier.protocols.anthropic_messages import StreamReader


def event(type_: str, **fields: Any) -> bytes:
    return f"event: {type_}\ndata: {json.dumps({'type': type_, **fields})}\n\n".encode()


def start(**usage: Any) -> bytes:
    return event("message_start", message={"id": "msg_1", "model": "claude", "usage": usage})


def block(index: int, **content: Any) -> bytes:
    return event("content_block_start", index=index, content_block=content)


def delta(index: int, **content: Any) -> bytes:
    return event("content_block_delta", index=index, delta=content)


def stop(reason: str | None, sequence: str | None = None, **usage: Any) -> bytes:
    delta = {"stop_reason": reason, "stop_sequence": sequence}
    return event("message_delta", delta=delta, usage=usage)


STOP = event("message_stop")
ANSWER = (
    start(
        input_tokens=10,
        output_tokens=1,
        cache_read_input_tokens=4,
        cache_creation_input_tokens=9,
        cache_creation={"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 6},
    )
    + event("ping")
    + block(0, type="thinking", thinking="", signature="")
    + delta(0, type="thinking_delta", thinking="Hm. Köln")
    + delta(0, type="signature_delta", signature="sig")
    + event("content_block_stop", index=0)
    + block(1, type="text", text="")
    + delta(1, type="text_delta", text="Grüße 🙂")
    + delta(1, type="citations_delta", citation={})
    + block(2, type="redacted_thinking", data="xxx")
    + block(3, type="tool_use", id="toolu_1", name="f", input={})
    + delta(3, type="input_json_delta", partial_json="")
    + delta(3, type="input_json_delta", partial_json='{"x":1}')
    + event("content_block_stop", index=3)
    + block(4, type="tool_use", id="toolu_2", name="g", input={"y": 2})
    + event("content_block_stop", index=4)
    + block(5, type="tool_use", id="toolu_3", name="h", input={})
    + delta(5, type="input_json_delta", partial_json="")
    + event("content_block_stop", index=5)
    + stop("tool_use", output_tokens=7, output_tokens_details={"thinking_tokens": 2})
    + STOP
)
EVENTS: list[Event] = [
    Began("msg_1", "claude"),
    Metered(Usage(10, 1, 4, 3, 6)),
    Progress(),
    ReasoningDelta("Hm. Köln"),
    ReasoningDelta("", "sig"),
    TextDelta("Grüße 🙂"),
    ReasoningDelta("", hidden="xxx"),
    ToolCallBegan(0, "toolu_1", "f"),
    ToolCallDelta(0, '{"x":1}'),
    ToolCallBegan(1, "toolu_2", "g"),
    ToolCallDelta(1, '{"y":2}'),
    ToolCallBegan(2, "toolu_3", "h"),
    ToolCallDelta(2, "{}"),
    Ended("tool_calls"),
    Metered(Usage(10, 7, 4, 3, 6, reasoning_tokens=2), final=True),
    Closed(),
]


def read(*data: bytes) -> list[Event]:
    return StreamReader().feed(b"".join(data))


def test_a_whole_answer_is_read_to_its_terminator() -> None:
    reader = StreamReader()
    assert reader.feed(ANSWER + event("ping")) == EVENTS
    reader.end()


@given(st.lists(st.integers(0, len(ANSWER)), max_size=10))
def test_any_cut_gives_the_same_events(cuts: list[int]) -> None:
    reader = StreamReader()
    edges = [0, *sorted(cuts), len(ANSWER)]
    pieces = [ANSWER[begin:end] for begin, end in pairwise(edges)]
    assert [found for piece in pieces for found in reader.feed(piece)] == EVENTS
    reader.end()


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("compaction", "length"),
        ("refusal", "refusal"),
        ("something_new", "stop"),
    ],
)
def test_stop_reasons_are_translated(reason: str, finish: Any) -> None:
    assert Ended(finish) in read(start(), stop(reason))


def test_the_sequence_that_stopped_it_is_told() -> None:
    assert Ended("stop", "END") in read(start(), stop("stop_sequence", "END"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>Sign in</html>\n\n",
        start() + delta(0, type="text_delta", text="a"),
        start() + STOP,
        start() + stop("end_turn"),
        start() + stop(None, output_tokens=3) + STOP,
        event("error", error={"type": "api_error", "message": "x"}),
    ],
)
def test_anything_less_than_stop_reason_and_message_stop_is_broken(data: bytes) -> None:
    reader = StreamReader()
    assert Closed() not in reader.feed(data)
    with pytest.raises(StreamBrokenError):
        reader.end()


@pytest.mark.parametrize("data", [b"data: <html>\n\n", b"data: {}\n\n", b"data: [DONE]\n\n"])
def test_what_is_no_event_breaks_the_stream_at_once(data: bytes) -> None:
    with pytest.raises(StreamBrokenError):
        read(data)


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (
            {"type": "overloaded_error", "message": "Overloaded"},
            Failed("Overloaded", "overloaded_error", 529),
        ),
        (
            {"type": "rate_limit_error", "message": "m"},
            Failed("m", "rate_limit_error", 429),
        ),
        (
            {"type": "new_error"},
            Failed("the API reported an error without a message", "new_error", 500),
        ),
    ],
)
def test_an_error_event_keeps_its_type_and_ends_everything(error: Any, failed: Failed) -> None:
    data = event("error", error=error) + delta(0, type="text_delta", text="a") + STOP
    assert read(data) == [failed]
    assert read(event("error")) == [
        Failed("the API reported an error without a message", "api_error", 500)
    ]


def test_an_end_for_tools_without_a_call_is_a_failure() -> None:
    events = read(start(), stop("tool_use"), STOP)
    assert isinstance(events[-1], Failed)
    assert events[-1].kind == "tool_calls_missing"


def test_who_repairs_the_calls_judges_an_end_for_a_tool_without_one() -> None:
    """It may stand in the text."""
    reader = StreamReader(repaired=True)
    assert Ended("tool_calls") in reader.feed(start() + stop("tool_use") + STOP)
    reader.end()


def test_events_and_blocks_nobody_told_us_of_are_skipped() -> None:
    data = (
        event("message_start")
        + event("something_new", x=1)
        + event("content_block_start")
        + event("content_block_delta")
        + block(0, type="server_tool_use", id="s", name="web_search", input={})
        + delta(0, type="input_json_delta", partial_json="{}")
        + event("message_delta")
        + b": comment\n\n"
    )
    assert read(data) == [Began("", ""), Metered(Usage()), Progress()]


def test_blocks_that_start_full_are_read() -> None:
    events = read(
        block(0, type="text", text="a"), block(1, type="thinking", thinking="b", signature="s")
    )
    assert events == [TextDelta("a"), ReasoningDelta("b", "s")]


def test_usage_is_cumulative_and_keeps_what_is_not_said_again() -> None:
    events = read(
        start(input_tokens=5, cache_read_input_tokens=2),
        stop(None, output_tokens=3),
        stop("end_turn", output_tokens=4, input_tokens=6),
    )
    assert [found for found in events if isinstance(found, Metered)] == [
        Metered(Usage(5, cache_read_tokens=2)),
        Metered(Usage(5, 3, cache_read_tokens=2)),
        Metered(Usage(6, 4, cache_read_tokens=2), final=True),
    ]
