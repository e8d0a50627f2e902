"""Whatever a client sends: it is read, or refused by a sentence. Never anything else."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twotier.domain.message import Began, Closed, Ended, TextDelta, ToolCallBegan
from twotier.errors import RequestError, StreamBrokenError, UpstreamError
from twotier.protocols import OUTBOUND
from twotier.protocols.openai_responses import (
    StreamReader,
    StreamRelay,
    StreamWriter,
    read_conversation,
    read_request,
    read_whole,
    rewrite,
)

WORDS = st.sampled_from(
    [
        *("type", "role", "content", "text", "input", "output", "name", "tools", "arguments"),
        *("call_id", "id", "summary", "encrypted_content", "image_url", "file_data", "action"),
        *("tool_choice", "namespace", "format", "reasoning", "instructions", "stream", "metadata"),
        *("message", "user", "assistant", "input_text", "input_image", "input_file", "function"),
        *("function_call", "function_call_output", "custom", "custom_tool_call", "mcp_call"),
        *(
            "shell_call_output",
            "additional_tools",
            "allowed_tools",
            "json_schema",
            "auto",
            "\ud800",
        ),
        *("response", "delta", "item", "output_index", "item_id", "usage", "error", "status"),
        *("response.output_item.added", "response.output_item.done", "response.completed"),
        *("response.output_text.delta", "response.function_call_arguments.delta", "reasoning"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**70) | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=25,
)
BODIES = st.dictionaries(WORDS, JSON, max_size=8)


def encoded(body: Any, cut: int) -> bytes:
    """It as JSON, perhaps with a byte that is none."""
    data = json.dumps(body).encode("utf-8", "surrogatepass")
    return data[:cut] + b"\xff" + data[cut:] if cut % 7 == 0 else data


@settings(max_examples=100, deadline=None)
@given(BODIES, JSON, st.integers(1, 400))
def test_any_body_is_read_or_refused(body: dict[str, Any], given_input: Any, cut: int) -> None:
    data = encoded({**body, "input": given_input}, cut)
    with suppress(RequestError):
        request = read_request(data)
        rewrite(request, model="m", max_output_tokens=1, stream=True)
        for outbound in OUTBOUND.values():
            with suppress(RequestError):
                outbound.write_request(
                    read_conversation(data), model="m", max_output_tokens=1, stream=False
                )
        read_conversation(data)
        writer = StreamWriter("req_1", model="m", created=1, request=request)
        for event in (Began("", ""), TextDelta("a"), ToolCallBegan(0, "c", "f"), Ended("stop")):
            assert writer.write(event)
        assert b"response.completed" in writer.write(Closed())


@settings(max_examples=50, deadline=None)
@given(st.lists(BODIES, max_size=6), st.integers(1, 400))
def test_any_answer_is_read_or_broken(events: list[dict[str, Any]], cut: int) -> None:
    data = b"".join(b"data: " + encoded(event, cut) + b"\n\n" for event in events)
    request = read_request(b'{"input":"hi"}')
    with suppress(StreamBrokenError):
        reader = StreamReader()
        reader.feed(data)
        reader.end()
    with suppress(StreamBrokenError):
        relay = StreamRelay(request)
        relay.feed(data)
        relay.end()
    with suppress(StreamBrokenError, UpstreamError):
        read_whole(encoded(events[0] if events else {}, cut))
