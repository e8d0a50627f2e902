"""What must hold of every dialect, and between any two of them. A new one joins by its table."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.protocols.rich import answers, rich_conversations
from twotier.domain.message import (
    RELAYED,
    Began,
    Closed,
    Conversation,
    Dialect,
    Document,
    Event,
    Image,
    Reasoning,
    Request,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Whole,
)
from twotier.errors import BudgetError, StreamBrokenError, UpstreamError
from twotier.protocols import INBOUND, OUTBOUND, Outgoing
from twotier.protocols.assemble import Assembly

# A family that takes every setting, or most of them would be `unsaid` in all that follows.
MODEL = "claude-opus-4-6"
# Five properties of a dialect: 10,000 cases for each at length.
EXAMPLES = 2_000 if os.environ.get("SOAK") else 60
BOTH: list[Dialect] = sorted(set(INBOUND) & set(OUTBOUND) - RELAYED)
PAIRS = [(one, other) for one in BOTH for other in BOTH if one != other]
each = pytest.mark.parametrize("dialect", BOTH)
each_pair = pytest.mark.parametrize(("one", "other"), PAIRS)


def written(dialect: Dialect, conversation: Conversation) -> Outgoing:
    """The conversation as a body."""
    return OUTBOUND[dialect].write_request(
        conversation, model=MODEL, max_output_tokens=5, stream=True
    )


def read(dialect: Dialect, body: bytes) -> Conversation:
    """The body as a conversation."""
    return INBOUND[dialect].read_conversation(body)


def through(dialect: Dialect, conversation: Conversation) -> Conversation:
    """What is left of a conversation after it was said in a dialect."""
    return read(dialect, written(dialect, conversation).body)


def request(dialect: Dialect) -> Request:
    """A request that wants everything told."""
    return Request(dialect, b"{}", MODEL, stream=True, include_usage=True)


@each
@settings(max_examples=EXAMPLES, deadline=None)
@given(conversation=rich_conversations())
def test_what_a_dialect_can_say_survives_it(dialect: Dialect, conversation: Conversation) -> None:
    """Said once it may have lost something; said again it loses nothing more."""
    once = through(dialect, conversation)
    assert through(dialect, once) == once


@each
@settings(max_examples=EXAMPLES, deadline=None)
@given(conversation=rich_conversations())
def test_nothing_vanishes(dialect: Dialect, conversation: Conversation) -> None:
    """Every text, picture, document, call and tool is somewhere in the body."""
    body = json.loads(written(dialect, conversation).body)
    said = "\n".join(strings(body))  # a text may also stand there as a file
    for word in words(conversation):
        assert word in said or b64encode(word.encode()).decode() in said


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value."""
    match value:
        case str():
            yield value
        case dict():
            for key, inner in value.items():
                yield key
                yield from strings(inner)
        case list():
            for inner in value:
                yield from strings(inner)


def words(conversation: Conversation) -> Iterator[str]:
    """What must not vanish: all but thinking, which not every upstream may be shown."""
    yield from (tool.name for tool in conversation.tools)
    yield from (tool.description.strip() for tool in conversation.tools)
    for message in conversation.messages:
        for part in message.parts:
            inner = part.parts if isinstance(part, ToolResult) else (part,)
            for one in inner:
                yield from shown(one)


def shown(part: Any) -> Iterator[str]:
    match part:
        case Text(text=text):
            yield text
        case Image() | Document(text=""):
            yield part.url or part.data
        case Document():
            yield part.text
        case ToolCall(name=name):
            yield name


@each_pair
@settings(max_examples=EXAMPLES, deadline=None)
@given(conversation=rich_conversations(tidy=True))
def test_there_and_back_the_meaning_stays(
    one: Dialect, other: Dialect, conversation: Conversation
) -> None:
    """What a client of one dialect means is what it would read of its request in another."""
    meant = through(one, conversation)
    assert meaning(through(one, through(other, meant))) == meaning(meant)


def meaning(conversation: Conversation) -> dict[str, Any]:
    """All that changes the answer, free of how turns and parts are cut. What no second dialect has
    a place for (seals, breakpoints, labels, how to think) is left out here and named in `unsaid`.
    Pictures are compared apart: where a result can only be text, they follow behind it.
    """
    parts = list(said(conversation))
    return {
        "words": [one for one in parts if one[0] not in ("system", "picture")],
        "system": [what for kind, what in parts if kind == "system"],
        "pictures": [what for kind, what in parts if kind == "picture"],
        "tools": [(tool.name, tool.description, schema(tool)) for tool in conversation.tools],
        "choice": choice(conversation.tool_choice),
        "limit": conversation.max_output_tokens,
    }


def schema(tool: Tool) -> dict[str, Any]:
    """The arguments. Where they are kept to strictly, others are forbidden, said or not."""
    return {name: inner for name, inner in tool.schema.items() if name != "additionalProperties"}


def choice(given: ToolChoice | None) -> ToolChoice | None:
    """The choice; where no tool may be called, how many at a time says nothing."""
    return ToolChoice("none") if given is not None and given.mode == "none" else given


def said(conversation: Conversation) -> Iterator[tuple[str, Any]]:
    for message in conversation.messages:
        for part in message.parts:
            for kind, what in meant(part):
                yield ("system" if message.role == "system" else kind), what


def meant(part: Any) -> Iterator[tuple[str, Any]]:
    match part:
        case Text(text=text) if text.strip():
            yield "text", text
        case Image() | Document(text=""):
            yield "picture", part.url or part.data
        case Document():
            yield "text", f'<document name="{part.name}">\n{part.text}\n</document>'
        case ToolCall():
            yield "call", (part.id, part.name, json.loads(part.arguments))
        case ToolResult():
            yield "result", part.call_id
            for inner in part.parts:
                yield from meant(inner)


def cut(data: bytes, edges: Iterable[int]) -> list[bytes]:
    """The bytes in pieces."""
    places = [0, *sorted(edge % (len(data) + 1) for edge in edges), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


def spoken(dialect: Dialect, events: Iterable[Event]) -> bytes:
    """The events as a client of the dialect gets them."""
    writer = INBOUND[dialect].stream_writer(
        "answer_1", model=MODEL, created=1_700_000_000, request=request(dialect)
    )
    return b"".join(writer.write(event) for event in [Began("upstream_1", "m"), *events])


def assembled(events: Iterable[Event]) -> Whole:
    """The answer that the events come to."""
    assembly = Assembly()
    for event in events:
        assembly.fold(event)
    return assembly.whole()


EDGES = st.lists(st.integers(0, 10**6), max_size=12)


@each
@settings(max_examples=EXAMPLES, deadline=None)
@given(events=answers(), edges=EDGES)
def test_any_cut_gives_the_same_events_and_the_same_relay(
    dialect: Dialect, events: list[Event], edges: list[int]
) -> None:
    """A piece may end in a line, in a character, in nothing."""
    data = spoken(dialect, events)
    reader, again = OUTBOUND[dialect].stream_reader(), OUTBOUND[dialect].stream_reader()
    relay = INBOUND[dialect].stream_relay(request(dialect))
    expected = again.feed(data)
    passed = [relay.feed(piece) for piece in cut(data, edges)]
    assert [event for piece in cut(data, edges) for event in reader.feed(piece)] == expected
    assert [event for _, found in passed for event in found] == expected
    assert b"".join(out for out, _ in passed) == data
    reader.end()
    relay.end()


@each
@settings(max_examples=EXAMPLES, deadline=None)
@given(events=answers())
def test_an_answer_is_read_as_it_was_written(dialect: Dialect, events: list[Event]) -> None:
    """Streamed, and put together and written whole."""
    whole = assembled(events)
    reader = OUTBOUND[dialect].stream_reader()
    found = assembled(reader.feed(spoken(dialect, events)))
    reader.end()
    assert told(found) == told(whole)
    body = INBOUND[dialect].write_whole(whole, created=1_700_000_000, request=request(dialect))
    assert told(OUTBOUND[dialect].read_whole(body)) == told(whole)
    observed = OUTBOUND[dialect].observe_whole(body)
    assert (observed.usage, observed.finish) == (whole.usage, whole.finish)


def told(whole: Whole) -> tuple[Any, ...]:
    """An answer without its names: what a client gets of it."""
    calls = [
        (part.id, part.name, json.loads(part.arguments))
        for part in whole.parts
        if isinstance(part, ToolCall)
    ]
    thoughts = [part for part in whole.parts if isinstance(part, Reasoning)]
    text = "".join(part.text for part in whole.parts if isinstance(part, Text))
    return thoughts, text, calls, whole.finish, whole.usage


@each
@settings(max_examples=EXAMPLES, deadline=None)
@given(events=answers(), end=st.integers(0, 10**6))
def test_no_part_of_a_stream_is_a_success(dialect: Dialect, events: list[Event], end: int) -> None:
    """Whatever is missing at the end, the answer is not whole."""
    data = spoken(dialect, events)
    part = data[: end % len(data.rstrip(b"\n"))]
    reader, relay = (
        OUTBOUND[dialect].stream_reader(),
        INBOUND[dialect].stream_relay(request(dialect)),
    )
    assert Closed() not in reader.feed(part)
    assert Closed() not in relay.feed(part)[1]
    with pytest.raises(StreamBrokenError):
        reader.end()
    with pytest.raises(StreamBrokenError):
        relay.end()


@pytest.mark.parametrize("dialect", sorted(set(INBOUND) & set(OUTBOUND)))
def test_an_error_keeps_its_words_and_its_kind(dialect: Dialect) -> None:
    """What one gateway writes, another one behind it reads."""
    error = BudgetError("the day's budget is used up; wait until tomorrow")
    found = OUTBOUND[dialect].read_error(402, INBOUND[dialect].write_error(error), headers={})
    assert error.message in found.message
    assert (found.upstream_status, found.started) == (402, False)
    limited = UpstreamError("slow down", upstream_status=429, upstream_kind="rate_limit_error")
    found = OUTBOUND[dialect].read_error(429, INBOUND[dialect].write_error(limited), headers={})
    assert found.upstream_kind in ("rate_limit_error", "rate_limit_exceeded")
