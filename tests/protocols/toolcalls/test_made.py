"""Calls that a server made are held to the client's own schema, and reach the client whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.protocols.toolcalls.speaking import TOOLS, as_heard, pieces
from twotier.domain.message import (
    Began,
    Closed,
    Ended,
    Event,
    Failed,
    Finish,
    Metered,
    TextDelta,
    ToolCall,
    ToolCallBegan,
    ToolCallDelta,
    Usage,
    Whole,
)
from twotier.errors import UNFIT_KIND, UpstreamError
from twotier.protocols.toolcalls import Kind, Repair
from twotier.protocols.toolcalls.made import CHARS_MAX

CHOICE = {"oneOf": [{"type": "integer", "minimum": 10}, {"type": "string"}]}


def said(
    *calls: tuple[str, str], finish: Finish = "tool_calls", cuts: Sequence[int] = ()
) -> list[Event]:
    """An answer of a server that calls, its arguments cut at these places."""
    events: list[Event] = [Began("a", "m"), TextDelta("I look.")]
    for index, (name, text) in enumerate(calls):
        events.append(ToolCallBegan(index, f"id-{index}", name))
        events += [ToolCallDelta(index, piece) for piece in pieces(text, cuts) if piece]
    return [*events, Ended(finish), Metered(Usage(output_tokens=3), final=True), Closed()]


def checked(
    events: Sequence[Event], *, tools: dict[str, Any] = TOOLS, family: str = ""
) -> tuple[list[Event], Repair]:
    """What comes out of them, one by one."""
    repair = Repair(lambda: tools, family=family, bent=True)
    return [one for event in events for one in repair.feed([event])], repair


def of(schema: Any, value: Any, *, family: str = "", required: Sequence[str] = ()) -> Any:
    """What becomes of one argument `x`; the failure's sentence where the turn failed."""
    tools = {"f": {"properties": {"x": schema}, "required": list(required)}}
    call = ("f", json.dumps({"x": value}))
    out, repair = checked(said(call), tools=tools, family=family)
    failed = [event for event in out if isinstance(event, Failed)]
    if failed:
        assert repair.kinds[-1] == Kind.MISFIT
        return failed[0].message
    heard = as_heard(out, repair)
    return heard.arguments[0].get("x", "left out"), list(heard.kinds)


@pytest.mark.parametrize("text", ['{"path": "a",  "lines": 3}', '{"path":"a"}', " "])
@pytest.mark.parametrize("cuts", [(), (3,), tuple(range(20))])
def test_a_call_that_fits_is_the_servers_own_letter_for_letter(
    text: str, cuts: tuple[int, ...]
) -> None:
    """In one piece, and nothing is counted."""
    tools = TOOLS if text.strip() else {"read_file": {}}
    events = said(("read_file", text), ("read_file", text), cuts=cuts)
    out, repair = checked(events, tools=tools)
    assert out == [*events[:2], *said(("read_file", text), ("read_file", text))[2:]]
    assert repair.kinds == []


def test_it_is_held_until_the_message_is_whole() -> None:
    """So another tier may still take over; text before it is not held."""
    repair = Repair(lambda: TOOLS, bent=True)
    *begun, ended, metered, closed = said(("read_file", '{"path":"a"}'))
    assert repair.feed(begun) == begun[:2]
    assert repair.feed([ended, metered, closed]) == [*begun[2:], ended, metered, closed]


@pytest.mark.parametrize(
    ("schema", "value", "wanted"),
    [
        ({"type": "integer"}, "3", 3),
        ({"type": "string"}, 3, "3"),
        (CHOICE, 3, "3"),  # it was taken for a number because it could have been one
        ({"type": "array", "items": {"type": "integer"}}, "[1, 2]", [1, 2]),
        ({"type": "integer"}, None, "left out"),
    ],
)
def test_a_type_that_was_bent_is_put_right_and_counted(
    schema: Any, value: Any, wanted: Any
) -> None:
    assert of(schema, value) == (wanted, [Kind.BENT, Kind.TYPES])


@pytest.mark.parametrize("family", ["", "minimax_m2"])
@pytest.mark.parametrize(
    "schema", [{"type": ["string", "null"]}, {"nullable": True, "type": "string"}]
)
def test_null_stays_where_the_client_allows_it(schema: Any, family: str) -> None:
    """Also where the server was shown a schema without it."""
    assert of(schema, None, family=family) == (None, [])


def test_a_text_that_was_taken_for_null_is_a_text_again() -> None:
    """Of models that write nothing but text. Of others null is null, and left out or wrong."""
    text = {"type": "string"}
    assert of(text, None, family="minimax_m2") == ("null", [Kind.BENT, Kind.TYPES])
    assert of(text, None, family="minimax_m2", required=["x"]) == ("null", [Kind.BENT, Kind.TYPES])
    assert of({"enum": ["a"]}, None, family="minimax_m2") == ("left out", [Kind.BENT, Kind.TYPES])
    assert of(text, None, family="hermes") == ("left out", [Kind.BENT, Kind.TYPES])
    assert "x must be string, and is null" in of(text, None, family="hermes", required=["x"])


@pytest.mark.parametrize("properties", [[], {"y": {}}])
def test_a_schema_that_says_nothing_of_it_lets_null_be(properties: Any) -> None:
    tools = {"f": {"properties": properties, "required": ["z"]}}
    out, _ = checked(said(("f", '{"x": null}')), tools=tools, family="glm")
    assert isinstance(out[-2], Failed)
    assert "z is missing" in out[-2].message


def test_json_that_is_nearly_some_is_read() -> None:
    out, repair = checked(said(("read_file", " {'path': 'a', 'lines': '3',}")))
    assert as_heard(out, repair).arguments == [{"path": "a", "lines": 3}]
    assert repair.kinds == [Kind.BENT, Kind.JSON, Kind.TYPES]


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ('{"lines": 3}', "does not fit: path is missing"),
        ('{"path": ["a"]}', "does not fit: path must be string, and is array"),
        ('{"path": "a", "more": 1}', "does not fit: more must not be there"),
        ("", "does not fit: path is missing"),
        ('{"path": "a"', "are no JSON object"),
        ('{"path": "a"} b', "are no JSON object"),
        ('["a"]', "are no JSON object"),
        ("what", "are no JSON object"),
        ('{"path": "a", "lines": NaN}', "are no JSON object"),
        ("[" * 100_000, "are no JSON object"),
        ("x" * (CHARS_MAX + 1), "its arguments are too long"),
    ],
)
def test_a_call_that_cannot_fit_is_a_failed_turn(text: str, because: str) -> None:
    """No call of it goes out, and what it used is still told."""
    good = ("read_file", '{"path": "a"}')
    out, repair = checked(said(good, ("read_file", text)))
    began, prose, failed, metered = out
    assert [type(began), type(prose), type(metered)] == [Began, TextDelta, Metered]
    assert isinstance(failed, Failed)
    assert failed.kind == UNFIT_KIND
    assert because in failed.message
    assert repair.kinds == [Kind.MISFIT]


def test_real_json_may_be_nested_as_deeply_as_its_schema_allows() -> None:
    """What is too deep to check passes as it came: nobody knows that it does not fit."""
    for levels in (60, 400):
        text = '{"c":' * levels + "{}" + "}" * levels
        tree = {"properties": {"c": {"anyOf": [{"$ref": "#"}, {"$ref": "#/properties/c"}]}}}
        out, _ = checked(said(("f", text)), tools={"f": tree})
        assert isinstance(out[-1], Closed)
        assert [one.arguments for one in out if isinstance(one, ToolCallDelta)] == [text]


def test_a_number_larger_than_any_float_is_checked_all_the_same() -> None:
    """Models get stuck in digits; and what is held against it is a figure too."""
    digits = "9" * 400
    for schema, fits in (
        ({"minimum": 1}, True),
        ({"maximum": 5}, False),
        ({"maximum": 10**400}, True),
    ):
        tool = {"properties": {"n": {"type": "integer", **schema}}, "required": ["n"]}
        out, _ = checked(said(("f", f'{{"n":{digits}}}')), tools={"f": tool})
        assert isinstance(out[-1], Closed) == fits


@pytest.mark.parametrize("finish", ["length", "refusal"])
def test_what_was_cut_passes_as_it_came(finish: Finish) -> None:
    """The client sees by the finish that the rest is missing."""
    events = said(("read_file", '{"pa'), finish=finish)
    assert checked(events)[0] == events


def test_a_tool_that_nobody_offered_is_the_clients_to_refuse() -> None:
    events = said(("other", '{"path": 3}'))
    assert checked(events)[0] == events
    assert checked(events, tools={})[0] == events


def test_an_answer_that_fails_keeps_the_calls_that_were_held() -> None:
    """Half of them is worse than none."""
    failed = Failed("out of memory", "server_error", 500)
    events = [*said(("read_file", "{}"))[:-3], failed]
    assert checked(events)[0] == [*events[:2], failed]


def test_an_answer_in_one_piece_is_held_to_the_same() -> None:
    """And is the same object where it fits."""

    def whole(arguments: str) -> Whole:
        call = ToolCall("c", "read_file", arguments)
        return Whole("a", "m", (call,), "tool_calls", Usage(output_tokens=3))

    def mended(given: Whole) -> Whole:
        return Repair(lambda: TOOLS, bent=True).whole(given)

    fits = whole('{"path": "a"}')
    assert mended(fits) is fits
    assert mended(whole('{"path":"a","lines":"3"}')) == whole('{"path": "a", "lines": 3}')
    with pytest.raises(UpstreamError, match="path is missing") as caught:
        mended(whole("{}"))
    assert caught.value.upstream_kind == UNFIT_KIND
