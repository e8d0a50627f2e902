"""A relayed stream stays the upstream's own, byte for byte, until something has to be held back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.protocols.toolcalls.speaking import ARGUMENTS, TOOLS, WRITTEN
from twotier.domain.message import Event, Request
from twotier.errors import StreamBrokenError
from twotier.protocols.openai_chat import GuardedRelay, StreamRelay
from twotier.protocols.sse import Decoder
from twotier.protocols.toolcalls import Kind, Repair

REQUEST = Request("openai_chat", b'{"tools": []}', "local", stream=True, tools=1)


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    """One server-sent event."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    told = {"id": "theirs", "model": "inner", "choices": [choice], **more}
    return b"data: " + json.dumps(told).encode() + b"\n\n"


FIRST = chunk({"role": "assistant", "content": ""})
LAST = chunk({}, "stop")
DONE = b"data: [DONE]\n\n"
USAGE = b'data: {"id":"theirs","model":"inner","choices":[],"usage":{"prompt_tokens":3}}\n\n'


def relayed(
    *chunks: bytes, request: Request = REQUEST, rename: tuple[str, str] | None = None
) -> tuple[bytes, list[Event], Repair]:
    """What the client gets, and the events."""
    repair = Repair(lambda: TOOLS)
    relay = GuardedRelay(request, repair, created=7, rename=rename)
    out, events = b"", list[Event]()
    for one in chunks:
        passed, found = relay.feed(one)
        out += passed
        events += found
    relay.end()
    return out, events, repair


def said(out: bytes) -> list[Any]:
    """The chunks of a stream."""
    datas = [sse.data for sse in Decoder().feed(out)]
    assert datas.pop() == b"[DONE]"
    return [json.loads(data) for data in datas]


def test_an_answer_without_markers_is_passed_on_byte_for_byte() -> None:
    """With fields that only this server knows, and the same events."""
    chunks = [FIRST, chunk({"content": "so"}, timings={"a": 1}), LAST, DONE]
    relay = StreamRelay(REQUEST)
    pairs = [relay.feed(one) for one in chunks]
    out, events, repair = relayed(*chunks)
    assert out == b"".join(chunks) == b"".join(passed for passed, _ in pairs)
    assert events == [event for _, found in pairs for event in found]
    assert repair.kinds == []


def test_from_the_first_marker_on_it_is_said_anew_under_the_same_name() -> None:
    """The role is said once, and a call ends it."""
    pieces = [f"I look.\n{WRITTEN['hermes']}"[at : at + 9] for at in range(0, 200, 9)]
    out, _, repair = relayed(
        FIRST,
        *(chunk({"content": piece}) for piece in pieces if piece),
        *(LAST, USAGE, DONE),
        rename=("inner", "shown"),
    )
    chunks = said(out)
    assert {one["id"] for one in chunks} == {"theirs"}
    assert {one["model"] for one in chunks} == {"shown"}
    deltas = [choice["delta"] for one in chunks for choice in one["choices"]]
    assert [delta["role"] for delta in deltas if "role" in delta] == ["assistant"]
    assert "".join(delta.get("content") or "" for delta in deltas) == "I look.\n"
    calls = [call["function"] for delta in deltas for call in delta.get("tool_calls", ())]
    assert json.loads("".join(call.get("arguments", "") for call in calls)) == ARGUMENTS
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert repair.kinds == [Kind.LEAKED]


def test_a_marker_in_the_first_chunk_of_all_loses_no_role() -> None:
    """Nothing was passed on before it."""
    out, _, _ = relayed(chunk({"role": "assistant", "content": "<"}), LAST, DONE)
    deltas = [one["choices"][0]["delta"] for one in said(out)]
    assert deltas[0] == {"role": "assistant", "content": "<"}


def test_a_comment_before_the_first_chunk_loses_no_role() -> None:
    """A proxy's sign of life says nothing of the answer."""
    out, _, _ = relayed(b": alive\n\n", chunk({"role": "assistant", "content": "<"}), LAST, DONE)
    deltas = [one["choices"][0]["delta"] for one in said(out.removeprefix(b": alive\n\n"))]
    assert deltas[0] == {"role": "assistant", "content": "<"}


def test_usage_comes_for_those_who_asked() -> None:
    """Also where it is said anew."""
    asked = Request("openai_chat", b"{}", "local", stream=True, include_usage=True, tools=1)
    for request, there in ((asked, True), (REQUEST, False)):
        out, _, _ = relayed(FIRST, chunk({"content": "a <"}), LAST, USAGE, DONE, request=request)
        assert ("usage" in said(out)[-1]) is there


def test_a_failure_is_left_to_whoever_says_it() -> None:
    """In the same words as for any relay."""
    relay = GuardedRelay(REQUEST, Repair(lambda: TOOLS), created=7)
    relay.feed(FIRST + chunk({"content": "<"}))
    passed, events = relay.feed(b'data: {"error": {"message": "x"}}\n\n')
    assert b"error" not in passed
    assert json.loads(passed.removeprefix(b"data: "))["choices"][0]["delta"]["content"] == "<"
    assert len(events) == 2
    with pytest.raises(StreamBrokenError):
        relay.end()
    error = StreamBrokenError("x")
    assert relay.error(error) == StreamRelay(REQUEST).error(error)
