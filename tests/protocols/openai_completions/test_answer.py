"""Text completions: whole, streamed, relayed, put together, failed."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from openai.types import Completion

from twotier.domain.message import (
    Began,
    Closed,
    Ended,
    Event,
    Failed,
    Metered,
    Observed,
    Progress,
    Request,
    Text,
    TextDelta,
    ToolCallBegan,
    Usage,
    Whole,
)
from twotier.errors import BudgetError, StreamBrokenError, UpstreamError
from twotier.protocols.assemble import Assembly
from twotier.protocols.openai_completions import (
    StreamReader,
    StreamRelay,
    StreamWriter,
    observe_whole,
    read_whole,
    write_whole,
)

DONE = b"data: [DONE]\n\n"
REQUEST = Request("openai_completions", b"{}", "m", include_usage=True)
WHOLE = Whole("c1", "m", (Text("Köln"),), "length", Usage(3, 2), "END")


def chunk(text: str | None = None, finish: str | None = None, **fields: Any) -> bytes:
    choices = [] if text is None else [{"text": text, "index": 0, "finish_reason": finish}]
    data = {"id": "c1", "model": "m", "choices": choices, **fields}
    return f"data: {json.dumps(data)}\n\n".encode()


ANSWER = (
    b": keepalive 1/2\n\n"
    + chunk("Kö")
    + chunk("ln")
    + chunk("", "length")
    + chunk(usage={"prompt_tokens": 3, "completion_tokens": 2})
    + DONE
)
EVENTS: list[Event] = [
    Progress(1, 2),
    Began("c1", "m"),
    TextDelta("Kö"),
    TextDelta("ln"),
    Ended("length"),
    Metered(Usage(3, 2), final=True),
    Closed(),
]


@given(st.lists(st.integers(0, len(ANSWER)), max_size=10))
def test_any_cut_gives_the_same_events_and_the_same_relay(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(ANSWER)]
    pieces = [ANSWER[start:end] for start, end in pairwise(edges)]
    reader, relay = StreamReader(), StreamRelay(REQUEST)
    assert [event for piece in pieces for event in reader.feed(piece)] == EVENTS
    passed = [relay.feed(piece) for piece in pieces]
    assert b"".join(out for out, _ in passed) == ANSWER
    assert [event for _, found in passed for event in found] == EVENTS
    reader.end()
    relay.end()


@pytest.mark.parametrize(
    "data", [b"", b"<html></html>\n\n", chunk("a"), chunk("a") + DONE, chunk("a", "stop")]
)
def test_anything_less_than_finish_and_done_is_a_broken_stream(data: bytes) -> None:
    reader = StreamReader()
    assert Closed() not in reader.feed(data)
    with pytest.raises(StreamBrokenError):
        reader.end()


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        ({"error": {"message": "m", "code": 503}}, Failed("m", "api_error", 503)),
        ({"error": "text"}, Failed("text", "api_error", 502)),
        ({"object": "error", "message": "m"}, Failed("m", "api_error", 502)),
    ],
)
def test_an_error_inside_the_stream_is_a_failure(error: Any, failed: Failed) -> None:
    data = chunk("a") + f"data: {json.dumps(error)}\n\n".encode() + chunk("b") + DONE
    assert StreamReader().feed(data) == [Began("c1", "m"), TextDelta("a"), failed]
    out, events = StreamRelay(REQUEST).feed(data)
    assert events[-1] == failed
    assert b"error" not in out


def test_the_usage_and_names_that_only_we_wanted_do_not_reach_the_client() -> None:
    relay = StreamRelay(replace(REQUEST, include_usage=False), rename=("m", "local/m"))
    out, _ = relay.feed(ANSWER)
    assert b"prompt_tokens" not in out
    assert b'"model": "local/m"' in out
    assert b"error" in relay.error(BudgetError("raise the limit"))


def test_a_stream_is_put_together_for_a_client_that_waits() -> None:
    assembly = Assembly()
    for event in StreamReader().feed(ANSWER):
        assembly.fold(event)
    whole = assembly.whole()
    assert whole == replace(WHOLE, stop_sequence="")
    data = write_whole(whole, created=1, request=REQUEST)
    assert Completion.model_validate_json(data, strict=True).choices[0].text == "Köln"
    assert read_whole(data) == whole


def test_a_whole_answer_is_read_and_observed() -> None:
    data = write_whole(WHOLE, created=1, request=REQUEST)
    assert read_whole(data) == WHOLE
    assert observe_whole(data) == Observed(
        id="c1",
        model="m",
        usage=Usage(3, 2),
        usage_final=True,
        output_bytes=5,
        finish="length",
        closed=True,
        content=True,
    )
    empty = json.dumps({"choices": [{"text": "", "finish_reason": "stop"}]}).encode()
    assert (read_whole(empty).parts, observe_whole(empty).content) == ((), False)
    assert "usage" not in json.loads(write_whole(read_whole(empty), created=1, request=REQUEST))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"choices": [{"text": "a"}]}'])
def test_what_is_not_whole_is_a_broken_stream(data: bytes) -> None:
    with pytest.raises(StreamBrokenError):
        read_whole(data)


def test_an_error_under_200_is_an_upstream_error() -> None:
    with pytest.raises(UpstreamError) as caught:
        observe_whole(b'{"error": {"message": "busy", "type": "overloaded_error"}}')
    assert (caught.value.upstream_status, caught.value.started) == (529, True)


def test_what_is_written_is_read_again() -> None:
    made = StreamWriter("c1", model="m", created=1, request=REQUEST)
    written = b"".join(made.write(event) for event in EVENTS)
    assert StreamReader().feed(written) == [Progress(), *EVENTS[1:]]
    assert made.write(TextDelta("")) == made.write(ToolCallBegan(0, "a", "f")) == b""
    quiet = StreamWriter("c1", model="m", created=1, request=replace(REQUEST, include_usage=False))
    assert quiet.write(Closed()) == DONE
    assert b"Overloaded" in made.write(Failed("Overloaded", "overloaded_error", 529))
    assert b"[DONE]" not in made.error(BudgetError("raise the limit"))
