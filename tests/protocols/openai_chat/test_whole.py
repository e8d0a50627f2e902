"""Answers in one piece, and errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from twotier.domain.message import Observed, Reasoning, Text, ToolCall, Usage, Whole
from twotier.errors import BudgetError, StreamBrokenError, UpstreamError
from twotier.protocols.openai_chat import observe_whole, read_error, read_whole, write_error


def answer(message: Any, finish: str | None = "stop", **fields: Any) -> bytes:
    choices = [{"index": 0, "message": message, "finish_reason": finish}]
    return json.dumps({"id": "i", "model": "m", "choices": choices, **fields}).encode()


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def test_a_whole_answer_is_read_and_observed() -> None:
    data = answer(
        {"content": "é", "reasoning": "hm", "tool_calls": [CALL, {"function": {"name": "g"}}]},
        "tool_calls",
        usage={"prompt_tokens": 5, "completion_tokens": 2},
    )
    assert read_whole(data) == Whole(
        "i",
        "m",
        (Reasoning("hm"), Text("é"), ToolCall("c", "f", "{}"), ToolCall("call_i_1", "g", "")),
        "tool_calls",
        Usage(5, 2),
    )
    assert observe_whole(data) == Observed(
        id="i",
        model="m",
        usage=Usage(5, 2),
        usage_final=True,
        output_bytes=6,
        tool_calls=2,
        finish="tool_calls",
        closed=True,
        content=True,
        tool_names=["f", "g"],
    )


def test_calls_of_custom_tools_and_of_the_old_form_are_read() -> None:
    custom = {"id": "c", "type": "custom", "custom": {"name": "patch", "input": "a"}}
    data = answer({"content": None, "tool_calls": [custom]}, "tool_calls")
    assert read_whole(data).parts == (ToolCall("c", "patch", '{"input":"a"}', freeform=True),)
    observed = observe_whole(data)
    assert (observed.tool_names, observed.output_bytes) == (["patch"], 1)
    old = answer({"function_call": {"name": "f", "arguments": "{}"}}, "function_call")
    assert read_whole(old).parts == (ToolCall("call_i_0", "f", "{}"),)


def test_an_empty_answer_without_usage_is_observed_as_that() -> None:
    observed = observe_whole(answer({"content": None}))
    assert (observed.content, observed.usage, observed.usage_final) == (False, None, False)
    assert read_whole(answer({"refusal": "no"})).parts == (Text("no"),)


def test_a_call_beside_stop_ends_for_tools() -> None:
    assert read_whole(answer({"tool_calls": [CALL]}, "stop")).finish == "tool_calls"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html></html>",
        answer({"content": "x"})[:-2],
        b"[]",
        b"{}",
        b'{"choices": []}',
        answer(None),
        answer({"content": "x"}, None),
        answer({"content": "x"}, "tool_calls"),
        answer({"tool_calls": []}, "tool_calls"),
        answer({"tool_calls": [{"id": "c"}]}, "tool_calls"),
    ],
)
def test_what_is_not_whole_is_a_broken_stream(data: bytes) -> None:
    with pytest.raises(StreamBrokenError):
        read_whole(data)
    with pytest.raises(StreamBrokenError):
        observe_whole(data)


def test_who_repairs_the_calls_reads_an_end_for_tools_without_one() -> None:
    data = answer({"content": "x"}, "tool_calls")
    assert read_whole(data, repaired=True).finish == "tool_calls"
    assert observe_whole(data, repaired=True).finish == "tool_calls"


def test_an_error_under_200_is_an_upstream_error() -> None:
    with pytest.raises(UpstreamError) as caught:
        read_whole(b'{"error": {"message": "busy", "type": "overloaded_error"}}')
    assert (caught.value.upstream_status, caught.value.started) == (529, True)


def test_errors_are_written_in_openais_shape() -> None:
    assert json.loads(write_error(BudgetError("wait until Monday"))) == {
        "error": {
            "message": "wait until Monday",
            "type": "insufficient_quota",
            "param": None,
            "code": "budget_reached",
        }
    }
    upstream = UpstreamError("x", upstream_status=429, upstream_kind="rate_limit_error")
    assert json.loads(write_error(upstream))["error"]["type"] == "rate_limit_error"


@pytest.mark.parametrize(
    ("status", "body", "kind", "started"),
    [
        (429, b'{"error": {"message": "slow", "type": "rate_limit_error"}}', "rate_limit_error", 0),
        (400, b'{"error": {"message": "m", "code": "bad_thing"}}', "bad_thing", 0),
        (400, b'{"error": {"message": "", "code": 7}}', "api_error", 0),
        (500, b'{"error": "text"}', "api_error", 0),
        (500, b"<html>", "api_error", 1),
        (502, b"", "api_error", 1),
        (503, b"", "api_error", 0),
    ],
)
def test_an_error_reply_keeps_status_and_type(
    status: int, body: bytes, kind: str, started: int
) -> None:
    error = read_error(status, body, headers={"retry-after": "3"})
    assert (error.upstream_status, error.upstream_kind) == (status, kind)
    assert (error.started, error.retry_after_seconds) == (bool(started), 3.0)
    assert str(status) in error.message
