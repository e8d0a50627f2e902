"""Events folded into a whole answer."""

from __future__ import annotations

import pytest

from twotier.domain.message import (
    Began,
    Closed,
    Ended,
    Failed,
    Metered,
    Progress,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallBegan,
    ToolCallDelta,
    Usage,
    Whole,
)
from twotier.errors import StreamBrokenError, UpstreamError
from twotier.protocols.assemble import Assembly


def test_parts_keep_the_order_in_which_they_began() -> None:
    assembly = Assembly()
    usage = Usage(input_tokens=3, output_tokens=4)
    for event in (
        Began("id", "m"),
        Progress(),
        ReasoningDelta("th"),
        ReasoningDelta("ink"),
        ReasoningDelta("", "sig"),
        ReasoningDelta("again"),
        ReasoningDelta("", hidden="sealed"),
        ReasoningDelta("more"),
        TextDelta("a"),
        TextDelta("b"),
        ToolCallBegan(0, "c0", "f"),
        ToolCallBegan(1, "c1", "g"),
        ToolCallDelta(1, "{}"),
        ToolCallDelta(0, '{"x":'),
        ToolCallDelta(0, "1}"),
        Metered(Usage()),
        Metered(usage, final=True),
        Ended("tool_calls", "END"),
        Closed(),
    ):
        assembly.fold(event)
    assert assembly.whole() == Whole(
        "id",
        "m",
        (
            Reasoning("think", "sig"),
            Reasoning("again"),
            Reasoning("", hidden="sealed"),
            Reasoning("more"),
            Text("ab"),
            ToolCall("c0", "f", '{"x":1}'),
            ToolCall("c1", "g", "{}"),
        ),
        "tool_calls",
        usage,
        "END",
    )


def test_half_an_answer_is_never_a_whole_one() -> None:
    assembly = Assembly()
    assembly.fold(TextDelta("half"))
    with pytest.raises(StreamBrokenError):
        assembly.whole()
    assembly.fold(Ended("stop"))
    with pytest.raises(StreamBrokenError):
        assembly.whole()
    assembly.fold(Closed())
    assert assembly.whole().parts == (Text("half"),)


def test_a_failure_in_the_stream_is_raised_with_its_status() -> None:
    assembly = Assembly()
    assembly.fold(Failed("Overloaded", "overloaded_error", 529))
    with pytest.raises(UpstreamError) as caught:
        assembly.whole()
    assert (caught.value.upstream_status, caught.value.started) == (529, True)
