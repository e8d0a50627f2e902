"""An answer keeps the order it was given, or it fails before anybody has read of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from twotier.domain.message import (
    Began,
    Closed,
    Ended,
    Event,
    Failed,
    Progress,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallBegan,
    ToolCallDelta,
    Whole,
)
from twotier.errors import UNFIT_KIND
from twotier.protocols.normal import Checked, unfit
from twotier.protocols.normal.check import json_in
from twotier.protocols.wire import Order

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
CALL: list[Event] = [ToolCallBegan(0, "c1", "look"), ToolCallDelta(0, "{}")]


class Script:
    """A reader that gives the next events of a list."""

    def __init__(self, *events: Event) -> None:
        self.events = list(events)
        self.ended = False

    def feed(self, chunk: bytes) -> list[Event]:
        return [self.events.pop(0)] if self.events else []

    def end(self) -> None:
        self.ended = True


def passed(order: Order, events: Sequence[Event]) -> list[list[Event]]:
    """What passes with each event."""
    script = Script(*events)
    checked = Checked(script, order)
    found = [checked.feed(b"") for _ in events]
    checked.end()
    assert script.ended
    return found


def flat(order: Order, *events: Event) -> list[Event]:
    return [event for piece in passed(order, events) for event in piece]


def test_text_waits_for_the_call_that_must_come() -> None:
    before: list[Event] = [Began("i", "m"), ReasoningDelta("hm"), TextDelta("Look."), Progress()]
    end: list[Event] = [Ended("tool_calls"), Closed()]
    found = passed(Order(must_call=True), [*before, *CALL, *end])
    assert found[:4] == [[Began("i", "m")], [], [], [Progress()]]
    assert found[4] == [ReasoningDelta("hm"), TextDelta("Look."), CALL[0]]
    assert found[5:] == [[CALL[1]], [Ended("tool_calls")], [Closed()]]


def test_an_answer_without_the_call_fails_and_says_nothing_more() -> None:
    found = flat(Order(must_call=True), TextDelta("No."), Ended("stop"), Closed())
    assert [type(event) for event in found] == [Failed]
    assert isinstance(found[0], Failed)
    assert found[0].kind == UNFIT_KIND
    assert "called no tool" in found[0].message


def test_an_answer_that_was_cut_before_its_call_stays_cut() -> None:
    """Long thinking met the limit; the client sees by the finish that the rest is missing."""
    order = Order(must_call=True)
    found = flat(order, ReasoningDelta("hm"), Ended("length"), Closed())
    assert found == [ReasoningDelta("hm"), Ended("length"), Closed()]
    assert unfit(Whole("i", "m", (Text("so"),), "length"), order) is None


def test_another_tool_than_the_one_that_was_ordered_is_no_answer() -> None:
    found = flat(Order(must_call=True, name="other"), *CALL, Ended("tool_calls"))
    assert "had to call other" in str(found)
    assert len(found) == 1
    assert flat(Order(must_call=True, name="look"), *CALL, Ended("tool_calls"))[:2] == CALL


def test_of_several_calls_the_first_passes_where_one_is_the_most() -> None:
    """The model sees one result and can call the next tool then."""
    second: list[Event] = [ToolCallBegan(1, "c2", "look"), ToolCallDelta(1, "{}")]
    found = flat(Order(single=True), TextDelta("a"), *CALL, *second, Ended("tool_calls"))
    assert found == [TextDelta("a"), *CALL, Ended("tool_calls")]


@pytest.mark.parametrize(
    "text", ['{"a": 1}', '```json\n{"a": 1}\n```', 'Here it is: {"a": 1} Good luck!']
)
def test_json_that_fits_passes_alone(text: str) -> None:
    half = len(text) // 2
    events: list[Event] = [
        ReasoningDelta("hm"),
        TextDelta(text[:half]),
        TextDelta(text[half:]),
        Ended("stop"),
    ]
    found = flat(Order(schema=SCHEMA), *events)
    assert found == [ReasoningDelta("hm"), TextDelta('{"a": 1}'), Ended("stop")]


@pytest.mark.parametrize(
    ("text", "schema", "said"),
    [
        ("Sure!", SCHEMA, "it is not JSON"),
        ('{"a": "x"}', SCHEMA, "a must be integer"),
        ("[1]", {}, "must be object"),
        ('{"a": NaN}', {}, "it is not JSON"),
        ('{"a"' * 100_000, {}, "it is not JSON"),
    ],
)
def test_what_does_not_fit_fails_with_the_reason(
    text: str, schema: dict[str, Any], said: str
) -> None:
    found = flat(Order(schema=schema), TextDelta(text), Ended("stop"), Closed())
    assert len(found) == 1
    assert said in str(found[0])


def test_an_answer_cut_by_its_limit_passes_as_it_is() -> None:
    found = flat(Order(schema=SCHEMA), TextDelta('{"a'), Ended("length"))
    assert found == [TextDelta('{"a'), Ended("length")]


def test_a_call_has_no_form_but_its_own() -> None:
    found = flat(Order(schema=SCHEMA), TextDelta("Look."), *CALL, Ended("tool_calls"))
    assert found == [TextDelta("Look."), *CALL, Ended("tool_calls")]


@pytest.mark.parametrize(
    ("order", "parts", "finish", "said"),
    [
        (Order(must_call=True), [Text("a")], "stop", "called no tool"),
        (Order(must_call=True), [ToolCall("c", "look", "{}")], "tool_calls", ""),
        (Order(True, "other"), [ToolCall("c", "look", "{}")], "tool_calls", "had to call other"),
        (Order(schema=SCHEMA), [Text('{"a": 1}')], "stop", ""),
        (Order(schema=SCHEMA), [Text("{}")], "stop", "a is missing"),
        (Order(schema=SCHEMA), [Text("no")], "stop", "not JSON"),
        (Order(schema={}), [Text("[]")], "stop", "must be object"),
        (Order(schema=SCHEMA), [Text("{")], "length", ""),
        (Order(schema=SCHEMA), [ToolCall("c", "look", "{}")], "tool_calls", ""),
        (Order(single=True), [Text("a")], "stop", ""),
    ],
)
def test_an_answer_in_one_piece_is_held_to_the_same(
    order: Order, parts: list[Any], finish: Any, said: str
) -> None:
    failed = unfit(Whole("i", "m", tuple(parts), finish), order)
    assert (said in failed.message) if failed else not said


def test_json_is_found_only_where_there_is_some() -> None:
    assert json_in(" [1, 2] ") == "[1, 2]"
    assert json_in("``` \n7\n```") == "7"
    assert json_in("nothing {here}") is None
    assert json_in("[" * 100_000) is None
