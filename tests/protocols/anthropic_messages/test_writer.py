"""Events written as a Messages stream, read by the SDK's own accumulator and by ours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import anthropic
import pytest
from aiohttp import web
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message as SdkMessage
from anthropic.types import RawMessageStreamEvent
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tests.fakes.openai_server import FakeOpenAI, Raw
from twotier.domain.message import (
    Began,
    Closed,
    Ended,
    Event,
    Failed,
    Metered,
    Progress,
    Reasoning,
    ReasoningDelta,
    Request,
    Text,
    TextDelta,
    ToolCall,
    ToolCallBegan,
    ToolCallDelta,
    Usage,
    Whole,
)
from twotier.errors import BudgetError, StreamBrokenError, UpstreamError
from twotier.protocols.anthropic_messages import StreamReader, StreamWriter, read_whole, write_whole
from twotier.protocols.assemble import Assembly

USAGE = Usage(
    5, 7, cache_read_tokens=3, cache_write_tokens=1, cache_write_1h_tokens=2, reasoning_tokens=4
)
REQUEST = Request("anthropic_messages", b"{}", "m", text_bytes=4001, images=1)
ESTIMATED = 1001 + 1600
ANSWER: tuple[Event, ...] = (
    Began("theirs", "their-model"),
    Progress(5, 10),
    ReasoningDelta("hm"),
    ReasoningDelta("", "signed"),
    ReasoningDelta("more"),
    ReasoningDelta("", hidden="sealed"),
    TextDelta("Grüße 🙂"),
    TextDelta(""),
    ToolCallBegan(0, "call:a", "f"),
    ToolCallDelta(0, '{"x":'),
    ToolCallDelta(0, ""),
    ToolCallDelta(0, "1}"),
    ToolCallBegan(1, "call_b", "g"),
    TextDelta("after"),
    Ended("tool_calls"),
    Metered(USAGE, final=True),
    Closed(),
)
_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def writer() -> StreamWriter:
    return StreamWriter("req_1f", model="m", created=1700000000, request=REQUEST)


def pieces(events: Sequence[Event]) -> list[bytes]:
    made = writer()
    return [made.write(event) for event in events]


def objects(data: Sequence[bytes]) -> list[Any]:
    lines = [line for line in b"".join(data).decode().split("\n") if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def accumulated(data: Sequence[bytes]) -> Any:
    """What the SDK makes of it, event by event, strictly validated."""
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in objects(data):
        if event["type"] == "ping":
            continue
        strict = _EVENT.validate_python(event)
        snapshot = accumulate_event(event=strict, current_snapshot=snapshot, json_bufs=buffers)
    return snapshot


def test_the_events_come_in_the_order_of_the_api() -> None:
    kinds = [event["type"] for event in objects(pieces(ANSWER))]
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    assert kinds == [
        "message_start",
        "ping",
        *(block[0], block[1], block[1], block[2]),  # a text and its signature
        *block,  # thinking nobody signed
        *(block[0], block[2]),  # sealed
        *block,
        *(block[0], block[1], block[1], block[1], block[2]),  # the first piece of a call is empty
        *block,
        *block,
        "message_delta",
        "message_stop",
    ]
    starts = [event for event in objects(pieces(ANSWER)) if event["type"] == block[0]]
    assert [event["index"] for event in starts] == list(range(7))
    named = [line for line in b"".join(pieces(ANSWER)).split(b"\n") if line[:7] == b"event: "]
    assert [line[7:].decode() for line in named] == kinds


def test_the_sdk_puts_the_answer_together() -> None:
    message = accumulated(pieces(ANSWER))
    assert (message.id, message.model, message.stop_reason) == ("msg_1f", "m", "tool_use")
    thinking, unsigned, sealed, text, first, second, after = message.content
    assert (thinking.thinking, thinking.signature) == ("hm", "signed")
    assert (unsigned.thinking, unsigned.signature) == ("more", "")
    assert sealed.data == "sealed"
    assert (text.text, after.text) == ("Grüße 🙂", "after")
    assert (first.name, first.input) == ("f", {"x": 1})
    assert first.id.startswith("call_a_")
    assert (second.id, second.name, second.input) == ("call_b", "g", {})
    usage = message.usage
    assert (usage.input_tokens, usage.output_tokens) == (5, 7)
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (3, 3)
    assert usage.output_tokens_details.thinking_tokens == 4


def test_the_start_says_an_estimate_and_the_end_what_was_counted() -> None:
    """Clients show how full their window is; an upstream tells the prompt's tokens at the end."""
    events = objects(pieces(ANSWER))
    assert events[0]["message"]["usage"]["input_tokens"] == ESTIMATED
    assert events[-2]["usage"]["input_tokens"] == 5
    known = objects(pieces([Metered(Usage(9)), TextDelta("a")]))
    assert known[0]["message"]["usage"]["input_tokens"] == 9


def test_what_nobody_counted_is_estimated_because_sdks_need_a_figure() -> None:
    message = accumulated(pieces([TextDelta("12345678"), Ended("stop"), Closed()]))
    assert (message.usage.input_tokens, message.usage.output_tokens) == (ESTIMATED, 2)


@pytest.mark.parametrize(
    ("ended", "reason", "sequence"),
    [
        (Ended("stop"), "end_turn", None),
        (Ended("stop", "END"), "stop_sequence", "END"),
        (Ended("length"), "max_tokens", None),
        (Ended("refusal"), "refusal", None),
        (Ended("tool_calls", "END"), "tool_use", None),
    ],
)
def test_why_it_stopped_is_said(ended: Ended, reason: str, sequence: str | None) -> None:
    message = accumulated(pieces([ended, Closed()]))
    assert (message.stop_reason, message.stop_sequence) == (reason, sequence)


def test_a_call_that_goes_on_after_the_next_began_is_no_stream() -> None:
    made = writer()
    for event in (ToolCallBegan(0, "a", "f"), ToolCallBegan(1, "b", "g"), ToolCallDelta(1, "{")):
        made.write(event)
    with pytest.raises(StreamBrokenError, match="without `stream`"):
        made.write(ToolCallDelta(0, "{}"))


def test_blanks_alone_are_no_text_because_the_api_takes_none_back() -> None:
    """Before a call they vanish, before words they wait."""
    blanks: list[Event] = [ReasoningDelta("hm"), TextDelta("\n"), TextDelta("\n")]
    call = [*blanks, ToolCallBegan(0, "a", "f"), Ended("tool_calls"), Closed()]
    message = accumulated(pieces(call))
    assert [block.type for block in message.content] == ["thinking", "tool_use"]
    words = [TextDelta("\n"), TextDelta(" "), TextDelta("so"), TextDelta("\n"), TextDelta("on")]
    message = accumulated(pieces([*words, Ended("stop"), Closed()]))
    assert [block.text for block in message.content] == ["\n so\non"]
    whole = Whole("i", "m", (Text("\n"), ToolCall("a", "f", "{}")), "tool_calls", USAGE)
    written = json.loads(write_whole(whole, created=1, request=REQUEST))
    assert [block["type"] for block in written["content"]] == ["tool_use"]


def test_an_answer_that_never_stopped_is_not_closed() -> None:
    assert b"message_stop" not in b"".join(pieces([TextDelta("a"), Closed()]))


def test_an_error_ends_the_stream_without_a_stop() -> None:
    made = writer()
    made.write(TextDelta("a"))
    (told,) = objects([made.error(BudgetError("no money left; raise the limit"))])
    assert told["error"] == {
        "type": "billing_error",
        "message": "no money left; raise the limit",
    }
    (failed,) = objects([made.write(Failed("Overloaded", "overloaded_error", 529))])
    assert failed["error"] == {"type": "overloaded_error", "message": "Overloaded"}
    (foreign,) = objects([made.write(Failed("?", "tool_calls_missing", 502))])
    assert foreign["error"]["type"] == "api_error"


class Speaking(FakeOpenAI):
    """A server whose Messages are exactly what was queued."""

    def application(self) -> web.Application:
        application = super().application()
        application.router.add_post("/v1/messages", self._chat)
        return application


def sdk(server: FakeOpenAI) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=server.base_url, api_key="x", max_retries=0)


def stream_of(client: anthropic.Anthropic) -> Any:
    return client.messages.stream(
        model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
    )


def test_the_official_sdk_reads_the_stream() -> None:
    """Through a real server, chunk by chunk, with the SDK's own helpers."""
    with Speaking() as server, sdk(server) as client:
        server.queue(Raw(tuple(piece for piece in pieces(ANSWER) if piece)))
        with stream_of(client) as stream:
            text = "".join(stream.text_stream)
            message = stream.get_final_message()
    assert text == "Grüße 🙂after"
    assert message.stop_reason == "tool_use"
    assert message.usage.input_tokens == 5


def test_the_official_sdk_raises_what_we_write_as_an_error() -> None:
    made = writer()
    data = made.write(TextDelta("a"))
    error = UpstreamError("Overloaded", upstream_status=529, upstream_kind="overloaded_error")
    with Speaking() as server, sdk(server) as client:
        server.queue(Raw((data, made.error(error))))
        with pytest.raises(anthropic.APIStatusError) as caught, stream_of(client) as stream:
            stream.until_done()
    assert (caught.value.type, caught.value.api_message) == ("overloaded_error", "Overloaded")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
WORDS = TEXTS.filter(lambda text: bool(text.strip()))
EVENTS = st.lists(
    st.one_of(
        st.builds(TextDelta, WORDS),
        st.builds(ReasoningDelta, TEXTS),
        st.builds(lambda text: ReasoningDelta("", text), TEXTS),
        st.builds(lambda text: ReasoningDelta("", hidden=text), TEXTS),
        st.just(Progress()),
    ),
    max_size=8,
)


@given(EVENTS, st.sampled_from(["stop", "length", "refusal"]))
def test_what_is_written_is_read_again(events: list[Event], finish: Any) -> None:
    usage = Metered(Usage(2, 3, cache_read_tokens=1), final=True)
    whole = [*events, Ended(finish), usage, Closed()]
    reader = StreamReader()
    found = reader.feed(b"".join(pieces(whole)))
    reader.end()
    # The estimate of the start, and the answer's name, are the writer's own words.
    assert [event for event in found if not isinstance(event, Began)][1:] == whole
    accumulated(pieces(whole))


PARTS = st.lists(
    st.one_of(
        st.builds(Text, WORDS),
        st.builds(Reasoning, TEXTS, st.sampled_from(["", "sig"])),
        st.builds(lambda text: Reasoning("", hidden=text), TEXTS),
        st.builds(ToolCall, st.just("c"), st.just("f"), st.sampled_from(["{}", '{"a":1}'])),
    ),
    max_size=4,
)


@settings(deadline=None)
@given(PARTS, st.sampled_from([None, USAGE]))
def test_a_whole_answer_is_the_sdks_type_and_is_read_again(
    parts: list[Any], usage: Usage | None
) -> None:
    calls = [part for part in parts if isinstance(part, ToolCall)]
    finish: Any = "tool_calls" if calls else "stop"
    whole = Whole("chatcmpl-1", "m", tuple(parts), finish, usage, "" if calls else "END")
    data = write_whole(whole, created=1, request=REQUEST)
    SdkMessage.model_validate_json(data, strict=True)
    again = read_whole(data)
    assert again.parts == tuple(parts)
    assert (again.id, again.finish) == ("msg_1", finish)
    assert again.stop_sequence == whole.stop_sequence
    assert usage is None or again.usage == usage


def test_a_whole_answer_nobody_counted_is_estimated() -> None:
    whole = Whole("", "m", (Text("12345678"), ToolCall("c:1", "f", "{")), "tool_calls")
    message = json.loads(write_whole(whole, created=1, request=REQUEST))
    usage = message["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (ESTIMATED, 3)
    assert message["id"] == "msg_0"
    call = message["content"][1]
    assert call["input"] == {"unparsed": "{"}
    assert call["id"].startswith("c_1_")


def test_the_stream_of_an_answer_assembles_to_the_whole() -> None:
    assembly = Assembly()
    for event in StreamReader().feed(b"".join(pieces(ANSWER))):
        assembly.fold(event)
    whole = assembly.whole()
    assert read_whole(write_whole(whole, created=1, request=REQUEST)) == whole
