"""Chunks of text alone are told apart at a glance, and nothing else is taken for one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.domain.message import Request
from twotier.protocols.openai_chat import StreamReader, StreamRelay
from twotier.protocols.openai_chat.plain import plain_text
from twotier.protocols.sse import SseEvent


def event(delta: Any, finish: str | None = None, **more: Any) -> bytes:
    """The data of one chunk as servers write it."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return json.dumps({"id": "c", "choices": [choice], **more}).encode()


def test_text_is_read_whatever_else_is_null() -> None:
    """Fields that are null, or say the role, do not matter."""
    assert plain_text(SseEvent(event({"content": "word "}))) == "word "
    nulls = {"content": "b", "role": "assistant", "tool_calls": None, "function_call": None}
    assert plain_text(SseEvent(event(nulls, usage=None, error=None))) == "b"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[DONE]",
        event({"content": ""}),
        event({"content": "a"}, "stop"),
        event({"content": "a"}, usage={"prompt_tokens": 1}),
        event({"content": "a"}, error="no"),
        event({"content": "a", "reasoning_content": "b"}),
        event({"content": "a", "reasoning": "b"}),
        event({"content": "a", "refusal": "b"}),
        event({"content": "a", "reasoning_details": []}),
        event({"content": "a", "tool_calls": []}),
        event({"content": "a", "function_call": {}}),
        b'{"choices":[]}',
        b'{"choices":[{}]}',
        b'{"choices":[{"delta":{"content":1}}]}',
        b"{",
        b'{"choices":[{"delta":{"content":"\xff"}}]}',
    ],
)
def test_whatever_is_more_or_less_takes_the_long_way(data: bytes) -> None:
    """A finish, a usage, an error, a call."""
    assert plain_text(SseEvent(data)) == ""


def test_a_comment_and_a_named_event_are_no_text() -> None:
    """Whatever stands in them."""
    data = event({"content": "a"})
    assert plain_text(SseEvent(data, "named")) == ""
    assert plain_text(SseEvent(b"", "", data)) == ""


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_both_ways_say_the_same(texts: list[str]) -> None:
    """What is seen of a stream does not depend on which way its chunks took."""
    pieces = [event({"role": "assistant", "content": ""})]
    pieces += [event({"content": text}) for text in texts]
    stream = b"".join(b"data: " + piece + b"\n\n" for piece in pieces)
    relay = StreamRelay(Request("openai_chat", b"{}", "m"))
    assert relay.feed(stream) == (stream, StreamReader().feed(stream))
