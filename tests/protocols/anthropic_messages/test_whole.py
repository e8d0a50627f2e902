"""Anthropic's answers in one piece, and its errors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from twotier.domain.message import Observed, Reasoning, Text, ToolCall, Usage, Whole
from twotier.errors import StreamBrokenError, UpstreamError
from twotier.protocols.anthropic_messages import observe_whole, read_error, read_whole
from twotier.protocols.anthropic_messages.usage import usage_object


def answer(content: Any, reason: str | None = "end_turn", **fields: Any) -> bytes:
    head = {"id": "i", "type": "message", "role": "assistant", "model": "m"}
    return json.dumps({**head, "content": content, "stop_reason": reason, **fields}).encode()


def test_a_whole_answer_is_read_and_observed() -> None:
    data = answer(
        [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "text", "text": ""},
            {"type": "text", "text": "é"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "u", "name": "g"},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        ],
        "tool_use",
        usage={"input_tokens": 5, "output_tokens": 2, "cache_creation_input_tokens": 3},
    )
    usage = Usage(5, 2, cache_write_tokens=3)
    assert read_whole(data) == Whole(
        "i",
        "m",
        (
            Reasoning("hm", "s"),
            Reasoning("", hidden="x"),
            Text("é"),
            ToolCall("t", "f", '{"a":1}'),
            ToolCall("u", "g", "{}"),
        ),
        "tool_calls",
        usage,
    )
    assert observe_whole(data) == Observed(
        id="i",
        model="m",
        usage=usage,
        usage_final=True,
        output_bytes=13,
        tool_calls=2,
        finish="tool_calls",
        closed=True,
        content=True,
        tool_names=["f", "g"],
    )


def test_an_answer_may_be_empty_and_uncounted() -> None:
    assert read_whole(answer([])) == Whole("i", "m", (), "stop", None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        answer([])[:-1],
        b"{}",
        answer(None),
        answer([], None),
        answer([{"type": "text", "text": "a"}], "tool_use"),
    ],
)
def test_what_is_not_whole_is_a_broken_stream(data: bytes) -> None:
    with pytest.raises(StreamBrokenError):
        read_whole(data)


def test_an_error_under_200_is_an_upstream_error() -> None:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    with pytest.raises(UpstreamError) as caught:
        read_whole(json.dumps({"type": "error", "error": error}).encode())
    assert (caught.value.upstream_status, caught.value.started) == (529, True)


@pytest.mark.parametrize(
    ("status", "error", "kind", "started"),
    [
        (529, {"type": "overloaded_error", "message": "Overloaded"}, "overloaded_error", False),
        (529, None, "overloaded_error", False),
        (429, None, "rate_limit_error", False),
        (400, {"message": ""}, "invalid_request_error", False),
        (502, None, "api_error", True),
        (500, {"type": "api_error", "message": "Internal"}, "api_error", False),
    ],
)
def test_an_error_reply_keeps_status_and_type(
    status: int, error: Any, kind: str, started: bool
) -> None:
    body = json.dumps({"type": "error", "error": error}).encode() if error else b"<html>"
    found = read_error(status, body, headers={"retry-after": "7", "request-id": "req_9"})
    assert (found.upstream_status, found.upstream_kind) == (status, kind)
    assert (found.started, found.retry_after_seconds) == (started, 7.0)
    assert found.message.endswith("(req_9)")
    assert not read_error(status, body, headers={}).message.endswith(")")


def test_who_repairs_the_calls_reads_an_end_for_a_tool_without_one() -> None:
    data = answer([{"type": "text", "text": "a"}], "tool_use")
    assert read_whole(data, repaired=True).finish == "tool_calls"
    assert observe_whole(data, repaired=True).finish == "tool_calls"


def test_uses_of_its_own_tools_are_told_on() -> None:
    """As the API counts them, and not at all where there were none."""
    used = usage_object(Usage(1, 2, uses=(("web_search", 3), ("web_fetch", 1))))
    assert used["server_tool_use"] == {"web_search_requests": 3, "web_fetch_requests": 1}
    assert "server_tool_use" not in usage_object(Usage(1, 2))
