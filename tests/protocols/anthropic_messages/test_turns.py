"""Turns repaired by rule: results find their calls, ids are unique, every part has its place."""

from __future__ import annotations

from typing import Any

from tests.protocols.anthropic_messages.test_write import HI, write
from twotier.domain.message import Image, Message, Text, ToolCall, ToolResult
from twotier.protocols.anthropic_messages.turns import UNANSWERED, UNASKED


def turns(*messages: Message) -> list[tuple[str, list[Any]]]:
    """The turns, each block as its kind and what tells it apart."""
    body, _ = write(*messages)
    told = {"tool_use": "id", "tool_result": "tool_use_id", "text": "text"}
    return [
        (turn["role"], [(block["type"], block[told[block["type"]]]) for block in turn["content"]])
        for turn in body["messages"]
    ]


def call(*ids: str) -> Message:
    return Message("assistant", tuple(ToolCall(id_, "f", "{}") for id_ in ids))


def done(*ids: str) -> Message:
    return Message("tool", tuple(ToolResult(id_, (Text("ok"),)) for id_ in ids))


def test_results_stand_behind_their_calls_wherever_they_were() -> None:
    """In another order, in a later turn, even before the call."""
    assert turns(HI, done("c"), call("a", "b"), HI, done("b"), call("c"), done("a")) == [
        ("user", [("text", "hi")]),
        ("assistant", [("tool_use", "a"), ("tool_use", "b")]),
        ("user", [("tool_result", "a"), ("tool_result", "b"), ("text", "hi")]),
        ("assistant", [("tool_use", "c")]),
        ("user", [("tool_result", "c")]),
    ]


def test_ids_that_a_server_gives_again_are_made_unique() -> None:
    """Each result goes to the call before it; of several, to the first without one."""
    assert turns(HI, call("0"), done("0"), call("0", "0"), done("0"), done("0")) == [
        ("user", [("text", "hi")]),
        ("assistant", [("tool_use", "0")]),
        ("user", [("tool_result", "0")]),
        ("assistant", [("tool_use", "0_2"), ("tool_use", "0_3")]),
        ("user", [("tool_result", "0_2"), ("tool_result", "0_3")]),
    ]


def test_a_result_goes_to_the_latest_call_of_its_id() -> None:
    body, _ = write(HI, call("0"), HI, call("0"), done("0"))
    first, last = (body["messages"][at]["content"][0] for at in (2, 4))
    assert (first.get("is_error"), last.get("is_error")) == (True, None)


def test_a_call_nobody_answered_gets_a_result_that_says_so() -> None:
    body, _ = write(HI, call("a"))
    assert body["messages"][2]["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "a",
            "content": [{"type": "text", "text": UNANSWERED}],
            "is_error": True,
        }
    ]


def test_a_result_without_its_call_is_told_as_text() -> None:
    assert turns(HI, done("a"), done("b")) == [
        ("user", [("text", "hi"), *[("text", UNASKED), ("text", "ok")] * 2])
    ]


def test_a_failed_result_keeps_its_images() -> None:
    shot = Image(data="AAAA", media_type="image/png")
    result = ToolResult("a", (Text("no"), shot), failed=True)
    body, _ = write(HI, call("a"), Message("tool", (result,)))
    sent = body["messages"][2]["content"][0]
    assert sent["is_error"]
    assert [block["type"] for block in sent["content"]] == ["text", "image"]


def test_parts_stand_in_the_turn_of_whoever_makes_such_parts() -> None:
    """A call in the user's message is the assistant's, a result in the assistant's the user's."""
    mixed = Message("user", (Text("a"), ToolCall("t", "f", "{}")))
    wrong = Message("assistant", (ToolResult("t", (Text("ok"),)), Text("b")))
    assert turns(mixed, wrong, HI) == [
        ("user", [("text", "a")]),
        ("assistant", [("tool_use", "t")]),
        ("user", [("tool_result", "t")]),
        ("assistant", [("text", "b")]),
        ("user", [("text", "hi")]),
    ]


def test_an_answer_to_go_on_from_ends_without_blanks() -> None:
    body, _ = write(HI, Message("assistant", (Text("so \n"),)), model="claude-opus-4-5")
    assert body["messages"][-1]["content"][0]["text"] == "so"
    shown, _ = write(HI, Message("assistant", (Image(url="https://e.com/x"),)))
    assert shown["messages"][-1]["content"][0]["type"] == "image"
