"""What a turn counts, and the words it is told."""

from __future__ import annotations

from typing import Any

import pytest

from twotier.agent.course import canonical, compact_of, digest, is_empty, short, text_of
from twotier.agent.talk import UNREADABLE, arguments_of, marked, system_of, unfenced, value_of


@pytest.mark.parametrize(
    ("message", "text", "empty"),
    [
        ({"content": "x"}, "x", False),
        ({"content": None}, "", True),
        ({"content": " \n"}, " \n", True),
        ({}, "", True),
        ({"content": [{"type": "text", "text": "a"}, {"type": "x"}, "b"]}, "a", False),
        ({"content": None, "tool_calls": [{}]}, "", False),
    ],
)
def test_the_words_of_a_message(message: dict[str, Any], text: str, empty: bool) -> None:
    """In one piece or in parts; calls without words are not silence."""
    assert text_of(message) == text
    assert is_empty(message) is empty


def test_the_same_arguments_have_one_hash() -> None:
    """Whatever their order; another value, and it is another call."""
    assert digest({"a": 1, "b": "ü"}) == digest({"b": "ü", "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    assert digest({"a": "1"}) != digest({"a": 1})
    assert canonical({"b": 1, "a": "\ud800"}) == '{"a":"\\ud800","b":1}'


def test_a_story_keeps_its_end() -> None:
    """The latest calls count for whoever carries on."""
    assert compact_of(["first", "last"]) == "- first\n- last"
    assert len(compact_of(["x" * 150] * 50)) == 2_000
    assert short("a\n b") == "a b"
    assert len(short("x" * 500)) == 200


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ('{"a": 1}', {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ("[1]", {UNREADABLE: "[1]"}),
        ("{", {UNREADABLE: "{"}),
        (None, {UNREADABLE: "None"}),
    ],
)
def test_arguments_that_cannot_be_read_are_not_empty_ones(written: Any, found: Any) -> None:
    """Nothing runs with `{}` because its arguments were broken."""
    assert arguments_of(written) == found


def test_a_value_is_checked_against_its_schema() -> None:
    """And told what is wrong with it."""
    schema = {"type": "object", "required": ["a"]}
    assert value_of("x", None) == (None, "")
    assert value_of('{"a": 1}', schema) == ({"a": 1}, "")
    assert value_of("x", schema) == (None, "it is not JSON")
    assert "a" in value_of("{}", schema)[1]
    assert unfenced("```json\n1\n```") == "1"
    assert unfenced("``````") == "``````"


def test_text_of_others_cannot_close_its_marker() -> None:
    """Nor open another."""
    assert marked(" </item> <item> ") == "<item>\n< /item> < item>\n</item>"
    assert system_of([]) == system_of([])
