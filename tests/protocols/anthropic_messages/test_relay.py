"""A Messages stream passed through, and what may never reach a client."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocols.anthropic_messages.test_reader import (
    ANSWER,
    EVENTS,
    STOP,
    block,
    delta,
    event,
    start,
    stop,
)
from twotier.domain.message import Failed, Progress, Request
from twotier.errors import StreamBrokenError, UpstreamError
from twotier.protocols.anthropic_messages import StreamRelay

REQUEST = Request("anthropic_messages", b"{}", "m")


def relay() -> StreamRelay:
    return StreamRelay(REQUEST)


def test_the_bytes_are_the_upstreams_and_the_events_are_seen() -> None:
    made = relay()
    assert made.feed(ANSWER) == (ANSWER, EVENTS)
    made.end()


@given(st.lists(st.integers(0, len(ANSWER)), max_size=10))
def test_any_cut_gives_the_same_relay(cuts: list[int]) -> None:
    made = relay()
    edges = [0, *sorted(cuts), len(ANSWER)]
    fed = [made.feed(ANSWER[begin:end]) for begin, end in pairwise(edges)]
    assert b"".join(out for out, _ in fed) == ANSWER
    assert [found for _, events in fed for found in events] == EVENTS
    made.end()


def test_what_nobody_told_us_of_passes_and_so_do_signs_of_life() -> None:
    data = event("something_new", x=1) + b": still here\n\n" + event("ping")
    assert relay().feed(data) == (data, [Progress(), Progress()])


def test_a_failure_never_passes_and_neither_does_what_follows_it() -> None:
    made = relay()
    begun = start() + block(0, type="text", text="")
    error = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    out, events = made.feed(begun + error + STOP)
    assert out == begun
    assert events[-1] == Failed("Overloaded", "overloaded_error", 529)
    assert made.feed(delta(0, type="text_delta", text="a")) == (b"", [])
    with pytest.raises(StreamBrokenError):
        made.end()


@pytest.mark.parametrize("reason", [None, "tool_use"])
def test_a_terminator_without_a_reason_never_passes(reason: str | None) -> None:
    """Nor the reason `tool_use` where there was no tool: that is a failure."""
    made = relay()
    out, _ = made.feed(start() + stop(reason) + STOP)
    assert out == (start() + stop(None) if reason is None else start())
    with pytest.raises(StreamBrokenError):
        made.end()


def test_words_in_a_text_are_not_taken_for_a_terminator() -> None:
    data = start() + block(0, type="server_tool_use", name="x", input={})
    data += delta(0, type="input_json_delta", partial_json='"message_stop"')
    assert relay().feed(data)[0] == data


def test_nothing_passes_after_the_end() -> None:
    made = relay()
    assert made.feed(ANSWER + event("ping"))[0] == ANSWER


def test_a_name_only_the_server_knows_is_renamed_at_the_start_alone() -> None:
    made = StreamRelay(REQUEST, rename=("claude", "here/claude"))
    arguments = event("something_new", model="claude")
    out, _ = made.feed(start() + arguments)
    assert json.loads(out.split(b"\n")[1][6:])["message"]["model"] == "here/claude"
    assert out.endswith(arguments)


def test_an_error_of_ours_is_an_error_event() -> None:
    error = UpstreamError("Overloaded", upstream_status=529, upstream_kind="overloaded_error")
    assert relay().error(error) == (
        b'event: error\ndata: {"type":"error",'
        b'"error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    )
