"""Thinking and its seals on their way out to a chat client and back to Anthropic."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from tests.fakes.openai_server import FakeOpenAI, Raw
from twotier.domain.message import (
    Began,
    Closed,
    Ended,
    Event,
    Part,
    Reasoning,
    ReasoningDelta,
    Request,
    Text,
    TextDelta,
    Whole,
)
from twotier.protocols.openai_chat import (
    StreamReader,
    StreamWriter,
    read_conversation,
    read_whole,
    write_whole,
)

REQUEST = Request("openai_chat", b"{}", "m")
THOUGHTS = (Reasoning("I think.", "sig"), Reasoning("", hidden="sealed"), Reasoning("More.", "s2"))
EVENTS: tuple[Event, ...] = (
    ReasoningDelta("I "),
    ReasoningDelta("think."),
    ReasoningDelta("", "sig"),
    ReasoningDelta("", hidden="sealed"),
    ReasoningDelta("More."),
    ReasoningDelta("", "s2"),
    TextDelta("Hi"),
    Ended("stop"),
    Closed(),
)


def replayed(message: dict[str, Any]) -> tuple[Part, ...]:
    """What a client's own message says when it comes back."""
    body = json.dumps({"messages": [message]}).encode()
    return read_conversation(body).messages[0].parts


def test_a_whole_message_can_be_sent_back_with_its_signatures() -> None:
    whole = Whole("i", "m", (*THOUGHTS, Text("Hi")), "stop")
    data = write_whole(whole, created=1, request=REQUEST)
    message = json.loads(data)["choices"][0]["message"]
    assert message["reasoning_content"] == "I think.More."
    assert replayed(message) == (*THOUGHTS, Text("Hi"))
    assert read_whole(data) == whole


def test_unsigned_thinking_beside_sealed_keeps_its_place() -> None:
    parts = (Reasoning("a"), Reasoning("", hidden="x"))
    data = write_whole(Whole("i", "m", parts, "stop"), created=1, request=REQUEST)
    message = json.loads(data)["choices"][0]["message"]
    assert "signature" not in message["reasoning_details"][0]
    assert replayed(message) == (*parts, Text(""))


def test_a_streamed_message_can_be_sent_back_with_its_signatures() -> None:
    """As the SDK adds it up, which is how a client gets its message."""
    made = StreamWriter("i", model="m", created=1, request=REQUEST)
    pieces = tuple(piece for event in EVENTS if (piece := made.write(event)))
    with (
        FakeOpenAI() as server,
        openai.OpenAI(base_url=f"{server.base_url}/v1", api_key="x", max_retries=0) as client,
    ):
        server.queue(Raw(pieces))
        with client.chat.completions.stream(
            model="m", messages=[{"role": "user", "content": "hi"}]
        ) as stream:
            message = stream.get_final_completion().choices[0].message.to_dict()
    assert message["reasoning_content"] == "I think.More."
    assert replayed(message) == (*THOUGHTS, Text("Hi"))


def test_the_stream_is_read_again_as_it_was_written() -> None:
    made = StreamWriter("i", model="m", created=1, request=REQUEST)
    found = StreamReader().feed(b"".join(made.write(event) for event in EVENTS))
    assert [event for event in found if not isinstance(event, Began)] == list(EVENTS)


def test_text_that_turned_out_unsigned_is_not_taken_for_signed() -> None:
    made = StreamWriter("i", model="m", created=1, request=REQUEST)
    events = (ReasoningDelta("old"), TextDelta("a"), ReasoningDelta("new"), ReasoningDelta("", "s"))
    written = b"".join(made.write(event) for event in events).decode()
    assert '"text":"new","signature":"s"' in written


TEXT: dict[str, Any] = {"type": "reasoning.text", "text": "a", "index": 0}


@pytest.mark.parametrize(
    ("details", "parts"),
    [
        ([], (Reasoning("plain"),)),
        ([{**TEXT, "signature": "s"}], (Reasoning("a", "s"),)),
        ([{**TEXT, "signature": "s", "format": "anthropic-claude-v1"}], (Reasoning("a", "s"),)),
        # OpenRouter's stream, its pieces collected but not joined
        (
            [TEXT, {**TEXT, "text": "b"}, {**TEXT, "text": None, "signature": "s"}],
            (Reasoning("ab", "s"),),
        ),
        (
            [{**TEXT, "signature": "s"}, {**TEXT, "text": "b", "signature": "t"}],
            (Reasoning("a", "s"), Reasoning("b", "t")),
        ),
        ([TEXT, {**TEXT, "index": 1}], (Reasoning("a"), Reasoning("a"))),
        (
            [{"type": "reasoning.text", "text": "a"}, {"type": "reasoning.text", "text": "b"}],
            (Reasoning("a"), Reasoning("b")),
        ),
        ([{"type": "reasoning.summary", "summary": "short"}], (Reasoning("short"),)),
        (
            [{"type": "reasoning.encrypted", "data": "d", "index": 0}],
            (Reasoning("plain"), Reasoning("", hidden="d")),
        ),
        (
            [TEXT, {"type": "reasoning.encrypted", "data": "d", "index": 0}],
            (Reasoning("a"), Reasoning("", hidden="d")),
        ),
    ],
)
def test_the_entries_of_other_routers_are_read(details: Any, parts: tuple[Part, ...]) -> None:
    message = {"role": "assistant", "reasoning_content": "plain", "reasoning_details": details}
    assert replayed(message) == parts


def test_what_another_provider_sealed_is_dropped_and_named() -> None:
    entries = [
        {**TEXT, "signature": "s", "format": "google-gemini-v1"},
        {"type": "reasoning.encrypted", "data": "d", "format": "openai-responses-v1"},
    ]
    message = {"role": "assistant", "content": "x", "reasoning_details": entries}
    conversation = read_conversation(json.dumps({"messages": [message]}).encode())
    assert conversation.messages[0].parts == (Reasoning("a"), Text("x"))
    assert conversation.unsaid == ("messages[].reasoning_details",)


def test_a_router_upstream_is_not_heard_twice() -> None:
    """OpenRouter says the text in `reasoning` and in the entries of the same chunk."""
    deltas: list[dict[str, Any]] = [
        {"reasoning": "a", "reasoning_details": [TEXT]},
        {"reasoning_details": [{**TEXT, "text": "", "signature": "s"}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x", "format": "xai-v1"}]},
    ]
    data = "".join(f"data: {json.dumps({'choices': [{'delta': d}]})}\n\n" for d in deltas)
    assert StreamReader().feed(data.encode()) == [ReasoningDelta("a"), ReasoningDelta("", "s")]
    alone = f"data: {json.dumps({'choices': [{'delta': {'reasoning_details': [TEXT]}}]})}\n\n"
    assert StreamReader().feed(alone.encode()) == [ReasoningDelta("a")]
