"""A Responses stream read into events, and relayed."""

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
    Observed,
    Progress,
    ReasoningDelta,
    TextDelta,
    ToolCallBegan,
    ToolCallDelta,
    Usage,
)
from twotier.errors import StreamBrokenError, UpstreamError
from twotier.protocols.openai_responses import StreamReader, StreamRelay, read_request

USAGE = {
    "input_tokens": 11,
    "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 3},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 4},
    "total_tokens": 18,
}
METERED = Metered(
    Usage(5, 7, cache_read_tokens=3, cache_write_tokens=3, reasoning_tokens=4), final=True
)
BEGAN = Began("resp_1", "m")


def event(kind: str, **fields: Any) -> bytes:
    name = f"response.{kind}"
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


CREATED = event("created", sequence_number=0, response={"id": "resp_1", "model": "m"})
COMPLETED = event(
    "completed",
    sequence_number=30,
    response={"id": "resp_1", "model": "m", "status": "completed", "usage": USAGE},
)


def added(index: int | None, **item: Any) -> bytes:
    place = {} if index is None else {"output_index": index}
    return event("output_item.added", item=item, **place)


def done(index: int | None, **item: Any) -> bytes:
    place = {} if index is None else {"output_index": index}
    return event("output_item.done", item=item, **place)


def read(*chunks: bytes) -> list[Event]:
    reader = StreamReader()
    return [found for chunk in chunks for found in reader.feed(chunk)]


def read_whole_stream(*chunks: bytes) -> list[Event]:
    """The events between the first and the end of a stream that ends well."""
    events = read(CREATED, *chunks, COMPLETED)
    assert events[0] == BEGAN
    assert isinstance(events[-3], Ended)
    assert events[-2:] == [METERED, Closed()]
    return events[1:-3]


ANSWER = b"".join(
    [
        CREATED,
        event("in_progress", response={"id": "resp_1", "model": "m"}),
        b": ping\n\n",
        added(0, type="reasoning", id="rs_1", summary=[]),
        event("reasoning_summary_part.added", output_index=0, item_id="rs_1", summary_index=0),
        event("reasoning_summary_text.delta", output_index=0, item_id="rs_1", delta="First"),
        event("reasoning_summary_text.done", output_index=0, item_id="rs_1", text="First"),
        event("reasoning_summary_part.added", output_index=0, item_id="rs_1", summary_index=1),
        event("reasoning_summary_text.delta", output_index=0, item_id="rs_1", delta="Then"),
        done(0, type="reasoning", id="rs_1", encrypted_content="gAAAAseal", summary=[]),
        added(1, type="message", id="msg_1", content=[]),
        event("output_text.delta", output_index=1, item_id="msg_1", delta="Grüße 🙂", logprobs=[]),
        done(1, type="message", id="msg_1", content=[{"type": "output_text", "text": "Grüße 🙂"}]),
        added(2, type="function_call", id="fc_1", call_id="c1", name="f", arguments=""),
        event("function_call_arguments.delta", output_index=2, item_id="fc_1", delta='{"a":'),
        added(3, type="custom_tool_call", id="ctc_1", call_id="c2", name="patch", input=""),
        event("custom_tool_call_input.delta", output_index=3, item_id="ctc_1", delta='say "'),
        event("function_call_arguments.delta", output_index=2, item_id="fc_1", delta="1}"),
        event("custom_tool_call_input.delta", output_index=3, item_id="ctc_1", delta="hi\n"),
        done(2, type="function_call", id="fc_1", call_id="c1", name="f", arguments='{"a":1}'),
        done(3, type="custom_tool_call", id="ctc_1", call_id="c2", name="patch", input='say "hi\n'),
        added(4, type="web_search_call", id="ws_1"),
        event("web_search_call.searching", output_index=4, item_id="ws_1"),
        done(4, type="web_search_call", id="ws_1", action={"type": "search"}),
        COMPLETED,
    ]
)
EVENTS = [
    BEGAN,
    Progress(),
    ReasoningDelta("First"),
    ReasoningDelta("\n\n"),
    ReasoningDelta("Then"),
    ReasoningDelta("", hidden="gAAAAseal"),
    TextDelta("Grüße 🙂"),
    ToolCallBegan(0, "c1", "f"),
    ToolCallDelta(0, '{"a":'),
    ToolCallBegan(1, "c2", "patch"),
    ToolCallDelta(1, '{"input":"say \\"'),
    ToolCallDelta(0, "1}"),
    ToolCallDelta(1, "hi\\n"),
    ToolCallDelta(1, '"}'),
    Ended("tool_calls"),
    METERED,
    Closed(),
]


def test_a_stream_as_openai_sends_it_is_read() -> None:
    reader = StreamReader()
    assert reader.feed(ANSWER) == EVENTS
    reader.end()


REQUEST = read_request(b'{"model":"local","input":"hi","stream":true,"instructions":"Be kind."}')


@given(st.lists(st.integers(0, len(ANSWER)), max_size=10))
def test_any_cut_gives_the_same_events_and_the_same_relay(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(ANSWER)]
    pieces = [ANSWER[start:end] for start, end in pairwise(edges)]
    reader, relay = StreamReader(), StreamRelay(REQUEST)
    assert [found for piece in pieces for found in reader.feed(piece)] == EVENTS
    passed = [relay.feed(piece) for piece in pieces]
    assert b"".join(out for out, _ in passed) == ANSWER
    assert [found for _, events in passed for found in events] == EVENTS
    reader.end()
    relay.end()


def test_a_server_that_numbers_nothing_is_understood() -> None:
    """llama.cpp: no places and no numbers, an id for each item."""
    assert read_whole_stream(
        added(None, type="reasoning", id="rs_1"),
        event("reasoning_text.delta", item_id="rs_1", delta="hm"),
        done(None, type="reasoning", id="rs_1", content=[{"type": "reasoning_text", "text": "hm"}]),
        added(None, type="message", id="msg_1"),
        event("output_text.delta", item_id="msg_1", delta="a"),
        done(None, type="message", id="msg_1", content=[{"type": "output_text", "text": "a"}]),
        added(None, type="function_call", id="fc_1", call_id="c1", name="f", arguments=""),
        event("function_call_arguments.delta", item_id="fc_1", delta="{}"),
        done(None, type="function_call", id="fc_1", call_id="c1", name="f", arguments="{}"),
    ) == [
        ReasoningDelta("hm"),
        TextDelta("a"),
        ToolCallBegan(0, "c1", "f"),
        ToolCallDelta(0, "{}"),
    ]


def test_ids_that_change_from_event_to_event_do_not_matter() -> None:
    """Where there are places, they say which item it is."""
    assert read_whole_stream(
        added(0, type="function_call", id="x1", call_id="c1", name="f", arguments=""),
        event("function_call_arguments.delta", output_index=0, item_id="x2", delta="{}"),
        done(0, type="function_call", id="x3", call_id="c1", name="f", arguments="{}"),
    ) == [ToolCallBegan(0, "c1", "f"), ToolCallDelta(0, "{}")]


def test_what_came_in_no_delta_is_taken_from_the_item() -> None:
    """Also a call that was never added, and one that was added whole."""
    text = [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "b"}, {}]
    space = {"namespace": "crm", "name": "find"}
    assert read_whole_stream(
        done(0, type="reasoning", id="rs_1", summary=[{"text": "x"}, {"text": ""}, {"text": "y"}]),
        done(1, type="message", id="msg_1", content=text),
        done(2, type="function_call", id="fc_1", call_id="c1", arguments={"a": 1}, **space),
        added(3, type="function_call", id="fc_2", call_id="c2", name="f", arguments="{}"),
        done(3, type="function_call", id="fc_2", call_id="c2", name="f", arguments="{}"),
        done(4, type="custom_tool_call", id="ctc_1", call_id="c3", name="patch", input="x"),
        done(5, type="custom_tool_call", id="ctc_2", call_id="c4", name="patch", input=""),
        added(6, type="function_call", id="fc_3", call_id="c5"),
        event("function_call_arguments.delta", output_index=6, item_id="fc_3", delta="{}"),
        done(6, type="function_call", id="fc_3", call_id="c5", name="late", arguments="{}"),
        done(7, type="message", id="msg_2", content=[]),
        done(8, type="reasoning", id="rs_2"),
        event("output_item.done", output_index=9),
        event("output_item.added", output_index=9),
    ) == [
        ReasoningDelta("x\n\ny"),
        TextDelta("ab"),
        ToolCallBegan(0, "c1", "crm__find"),
        ToolCallDelta(0, '{"a":1}'),
        ToolCallBegan(1, "c2", "f"),
        ToolCallDelta(1, "{}"),
        ToolCallBegan(2, "c3", "patch"),
        ToolCallDelta(2, '{"input":"x'),
        ToolCallDelta(2, '"}'),
        ToolCallBegan(3, "c4", "patch"),
        ToolCallDelta(3, '{"input":""}'),
        ToolCallBegan(4, "c5", "late"),
        ToolCallDelta(4, "{}"),
    ]


def test_a_custom_call_that_is_never_done_ends_with_the_answer() -> None:
    events = read_whole_stream(
        added(0, type="custom_tool_call", id="ctc_1", call_id="c1", name="patch", input=""),
        event("custom_tool_call_input.delta", output_index=0, delta="x"),
        added(0, type="custom_tool_call", id="ctc_1", call_id="c1", name="patch", input=""),
    )
    assert events == [
        ToolCallBegan(0, "c1", "patch"),
        ToolCallDelta(0, '{"input":"x'),
        ToolCallDelta(0, '"}'),
    ]


def test_an_answer_that_comes_only_at_the_end_is_read() -> None:
    output = [
        {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "a"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"},
    ]
    whole = event("completed", response={"id": "resp_1", "model": "m", "output": output})
    assert read(whole) == [
        BEGAN,
        TextDelta("a"),
        ToolCallBegan(0, "c1", "f"),
        ToolCallDelta(0, "{}"),
        Ended("tool_calls"),
        Closed(),
    ]


def test_deltas_that_are_no_text_say_nothing() -> None:
    assert read_whole_stream(
        event("output_text.delta", output_index=0, delta={"x": 1}),
        event("reasoning_text.delta", output_index=0, delta=None),
        event("output_text.delta", output_index=0, delta=""),
        event("reasoning_text.delta", output_index=0, delta=""),
        added(1, type="function_call", call_id="c1", name="f"),
        event("function_call_arguments.delta", output_index=1, delta=""),
        event("refusal.delta", output_index=2, delta="no"),
    ) == [ToolCallBegan(0, "c1", "f"), TextDelta("no")]


@pytest.mark.parametrize(
    ("end", "finish"),
    [
        (event("completed"), "stop"),
        (event("incomplete"), "length"),
        (
            event("incomplete", response={"incomplete_details": {"reason": "content_filter"}}),
            "refusal",
        ),
        (event("completed", response={"status": "incomplete"}), "length"),
        (
            event("completed", response={"incomplete_details": {"reason": "max_output_tokens"}}),
            "length",
        ),
    ],
)
def test_the_end_says_why(end: bytes, finish: Any) -> None:
    assert read(CREATED, end) == [BEGAN, Ended(finish), Closed()]


@pytest.mark.parametrize(
    ("data", "failed"),
    [
        (
            {"type": "error", "code": "rate_limit_exceeded", "message": "slow"},
            Failed("slow", "rate_limit_exceeded", 429),
        ),
        ({"type": "error", "code": 503, "message": "m"}, Failed("m", "api_error", 503)),
        (
            {"type": "error"},
            Failed("the upstream reported an error without a message", "api_error", 502),
        ),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
            Failed("m", "overloaded_error", 529),
        ),
        ({"error": "text"}, Failed("text", "api_error", 502)),
        (
            {
                "type": "response.failed",
                "response": {"error": {"code": "server_is_overloaded", "message": "m"}},
            },
            Failed("m", "server_is_overloaded", 503),
        ),
        (
            {"type": "response.failed"},
            Failed("the upstream reported an error without a message", "api_error", 502),
        ),
        (
            {"type": "response.failed", "response": {"id": "resp_1"}},
            Failed("the upstream reported an error without a message", "api_error", 502),
        ),
        (
            {"type": "response.completed", "response": {"status": "cancelled"}},
            Failed("the upstream's answer was cancelled", "api_error", 502),
        ),
    ],
)
def test_an_error_inside_the_stream_is_a_failure(data: Any, failed: Failed) -> None:
    """And nothing counts after it."""
    sent = f"data: {json.dumps(data)}\n\n".encode()
    assert read(CREATED, sent, COMPLETED) == [BEGAN, failed]


@pytest.mark.parametrize(
    "chunks",
    [(), (CREATED,), (CREATED, event("output_text.done", text="a")), (b"data: [DONE]\n\n",)],
)
def test_an_end_without_its_event_is_an_error(chunks: tuple[bytes, ...]) -> None:
    reader = StreamReader()
    for chunk in chunks:
        reader.feed(chunk)
    with pytest.raises(StreamBrokenError, match=r"without response\.completed"):
        reader.end()


def test_what_is_no_event_is_an_error() -> None:
    with pytest.raises(StreamBrokenError, match="cannot be read"):
        read(b"data: <html>\n\n")


def test_nothing_counts_after_the_end() -> None:
    assert read(CREATED, COMPLETED, event("output_text.delta", delta="x"), COMPLETED) == [
        BEGAN,
        Ended("stop"),
        METERED,
        Closed(),
    ]


def test_an_answer_begins_once_and_only_with_a_name() -> None:
    unnamed = event("created", response={})
    assert read(event("created"), unnamed, event("created", response={"model": "m"})) == [
        Began("", "m")
    ]


def test_the_ledger_sees_what_passes() -> None:
    observed = Observed()
    for found in read(ANSWER):
        observed.fold(found)
    assert (observed.id, observed.model, observed.closed) == ("resp_1", "m", True)
    assert (observed.tool_calls, observed.tool_names) == (2, ["f", "patch"])
    assert (observed.usage, observed.usage_final, observed.finish) == (
        METERED.usage,
        True,
        "tool_calls",
    )


def test_a_relay_holds_back_what_would_look_like_success() -> None:
    relay = StreamRelay(REQUEST)
    assert relay.feed(CREATED + b"data: [DONE]\n\n")[0] == CREATED
    with pytest.raises(StreamBrokenError):
        relay.end()
    whole = StreamRelay(REQUEST)
    assert whole.feed(ANSWER + b"data: [DONE]\n\n")[0] == ANSWER + b"data: [DONE]\n\n"


def test_a_relay_leaves_the_error_to_the_caller() -> None:
    """Who writes it under the answer's own id, numbered on."""
    relay = StreamRelay(REQUEST)
    relay.feed(CREATED + event("output_text.delta", sequence_number=7, output_index=0, delta="a"))
    out, events = relay.feed(event("failed", response={"error": {"message": "boom"}}))
    assert (out, events) == (b"", [Failed("boom", "api_error", 502)])
    assert relay.feed(COMPLETED) == (b"", [])
    error = UpstreamError("boom", upstream_status=502)
    told, failed = (
        json.loads(line.removeprefix("data: "))
        for line in relay.error(error).decode().split("\n")
        if line.startswith("data: ")
    )
    assert (told["type"], told["sequence_number"], told["error"]["message"]) == ("error", 8, "boom")
    assert (failed["type"], failed["sequence_number"]) == ("response.failed", 9)
    assert (failed["response"]["id"], failed["response"]["model"]) == ("resp_1", "m")
    assert failed["response"]["instructions"] == "Be kind."


def test_a_relay_shows_the_name_it_was_given() -> None:
    relay = StreamRelay(REQUEST, rename=("m", "local/model"))
    out, _ = relay.feed(CREATED)
    assert json.loads(out.split(b"data: ")[1])["response"]["model"] == "local/model"
    assert b'"model":"local/model"' in relay.error(StreamBrokenError("cut"))
    unknown = StreamRelay(REQUEST).error(StreamBrokenError("cut"))
    assert b'"model":"local"' in unknown
    assert b'"sequence_number":0' in unknown
