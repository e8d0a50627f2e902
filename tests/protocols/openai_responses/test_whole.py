"""Answers in one piece."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.responses import Response

from twotier.domain.message import Finish, Reasoning, Text, ToolCall, Usage, Whole
from twotier.errors import StreamBrokenError, UpstreamError
from twotier.protocols.freeform import wrapped
from twotier.protocols.openai_responses import (
    observe_whole,
    read_error,
    read_request,
    read_whole,
    write_whole,
)

TOOLS = [{"type": "custom", "name": "patch"}, {"type": "function", "name": "f"}]
REQUEST = read_request(json.dumps({"input": "hi", "tools": TOOLS}).encode())
USAGE = Usage(2, 3, cache_read_tokens=1, cache_write_tokens=2, reasoning_tokens=1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
PARTS = st.lists(
    st.one_of(
        st.builds(Text, TEXTS),
        st.builds(Reasoning, TEXTS),
        st.builds(Reasoning, TEXTS, TEXTS),
        st.builds(lambda seal: Reasoning("", hidden=seal), TEXTS),
        st.builds(ToolCall, st.just("c"), st.just("f"), st.sampled_from(["{}", '{"a":1}', "{"])),
        st.builds(
            lambda text: ToolCall("c", "patch", wrapped(text), freeform=True),
            TEXTS,
        ),
    ),
    max_size=4,
)


@settings(deadline=None)
@given(PARTS, st.sampled_from(["stop", "length", "refusal"]), st.sampled_from([None, USAGE]))
def test_a_whole_answer_is_the_sdks_type_and_is_read_again(
    parts: list[Any], finish: Finish, usage: Usage | None
) -> None:
    calls = any(isinstance(part, ToolCall) for part in parts)
    finish = "tool_calls" if calls and finish == "stop" else finish
    whole = Whole("resp_i", "m", tuple(parts), finish, usage)
    data = write_whole(whole, created=1, request=REQUEST)
    Response.model_validate_json(data)
    assert read_whole(data) == whole


def test_parts_that_say_nothing_are_left_out() -> None:
    whole = Whole("i", "m", (Text(""), Reasoning(""), Text("a")), "length")
    (item,) = json.loads(write_whole(whole, created=1, request=REQUEST))["output"]
    assert (item["id"], item["status"]) == ("msg_i_0", "incomplete")


def test_an_answer_without_an_id_has_one() -> None:
    whole = Whole("", "m", (), "stop")
    assert json.loads(write_whole(whole, created=17, request=REQUEST))["id"] == "resp_17"


def body(**fields: Any) -> bytes:
    return json.dumps({"id": "resp_1", "model": "m", "status": "completed", **fields}).encode()


def test_what_other_servers_leave_out_is_not_missed() -> None:
    """llama.cpp's answers, and what hosted tools leave in OpenAI's."""
    message = {"type": "message", "content": [{"type": "output_text", "text": "a"}]}
    usage = {"input_tokens": 32, "output_tokens": 12, "input_tokens_details": {"cached_tokens": 40}}
    data = body(output=[{"type": "web_search_call", "id": "w"}, message], usage=usage)
    assert read_whole(data) == Whole(
        "resp_1",
        "m",
        (Text("a"),),
        "stop",
        Usage(0, 12, cache_read_tokens=40, uses=(("web_search", 1),)),
    )
    assert read_whole(b'{"output":[],"usage":{}}') == Whole("", "", (), "stop", Usage())


def test_thinking_and_what_openai_encrypted_of_it_are_read() -> None:
    sealed = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "a"}],
        "encrypted_content": "gAAAAseal",
    }
    foreign = {"type": "reasoning", "encrypted_content": "somebody"}
    assert read_whole(body(output=[sealed, foreign])).parts == (
        Reasoning("a"),
        Reasoning("", hidden="gAAAAseal"),
    )


@pytest.mark.parametrize(
    "data",
    [
        b"<html>",
        b"[]",
        body(),
        body(output=[], status="in_progress"),
        body(output=[], status="queued"),
    ],
)
def test_what_is_no_whole_answer_is_an_error(data: bytes) -> None:
    with pytest.raises(StreamBrokenError):
        read_whole(data)
    with pytest.raises(StreamBrokenError):
        observe_whole(data)


@pytest.mark.parametrize(
    ("fields", "status", "kind"),
    [
        ({"error": {"code": "rate_limit_exceeded", "message": "m"}}, 429, "rate_limit_exceeded"),
        ({"error": "m"}, 502, "api_error"),
        ({"status": "failed", "output": []}, 502, "api_error"),
    ],
)
def test_an_error_under_200_is_an_upstream_error(
    fields: dict[str, Any], status: int, kind: str
) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_whole(body(**fields))
    assert (caught.value.upstream_status, caught.value.upstream_kind) == (status, kind)
    assert caught.value.started


def test_the_ledger_sees_a_relayed_answer() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    message = {"type": "message", "content": [{"type": "output_text", "text": "ü"}]}
    seen = observe_whole(body(output=[message, call], usage={"output_tokens": 3}))
    assert (seen.id, seen.model, seen.finish, seen.closed) == ("resp_1", "m", "tool_calls", True)
    assert (seen.tool_calls, seen.tool_names, seen.output_bytes) == (1, ["f"], 4)
    assert (seen.usage, seen.usage_final, seen.content) == (Usage(0, 3), True, True)
    nothing = observe_whole(body(output=[]))
    assert (nothing.usage_final, nothing.content) == (False, False)


def test_an_error_reply_is_read_as_openais_are() -> None:
    error = read_error(429, b'{"error":{"message":"m","type":"rate_limit_error"}}', headers={})
    assert (error.upstream_status, error.upstream_kind) == (429, "rate_limit_error")
