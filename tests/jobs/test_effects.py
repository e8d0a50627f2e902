"""What agents did beside their answers, how it is read from a transcript, and what it is worth."""

from __future__ import annotations

import json
from typing import Any

import pytest

from twotier.domain.label import NO_LABELS, Label
from twotier.jobs.effects import NO_DEEDS, Deed, Deeds, leaves, limited, normal
from twotier.jobs.judging import ANSWER_CHARACTERS_MAX, Verdict
from twotier.jobs.recorded import Called, Recorded
from twotier.tools.base import ToolSpec

NOTE = Deed("write_file", {"path": "a.md", "text": "milk\n"})
OTHER = Deed("send", {"to": "phone", "title": "t", "text": "x"})
LONG = Deed("write_file", {"path": "a.md", "text": "x" * ANSWER_CHARACTERS_MAX})


def spec(*, looks: bool) -> ToolSpec:
    return ToolSpec("t", "Does it.", {"type": "object"}, NO_LABELS, looks=looks)


def test_what_comes_to_the_same_is_the_same() -> None:
    """Blanks at ends, empty settings, ways to write; the order of calls does not count."""
    alike = Deed("write_file", {"text": "milk ", "path": "./a.md", "mode": None})
    assert Deeds(own=(NOTE, OTHER), other=(OTHER, alike)).word == "same"
    assert Deeds(own=(NOTE,), other=(NOTE, NOTE)).word == "differ"
    assert Deeds(own=(NOTE,), other=()).differ
    indented = {"text": "if x:\n  y"}
    assert normal(indented) != normal({"text": "if x:\ny"})
    assert normal({"a": ["e\u0301 "], "b": 1}) == {"a": ["\u00e9"], "b": 1}
    assert (NO_DEEDS.word, NO_DEEDS.differ, NO_DEEDS.shown) == ("", False, ("", ""))


def test_a_judge_sees_both_lists_where_both_are_known() -> None:
    """One call on a line; whole only where nothing is cut."""
    both = Deeds(own=(NOTE,))
    assert both.shown == ('write_file {"path": "a.md", "text": "milk\\n"}', "(nothing)")
    assert both.whole
    assert not Deeds(own=(LONG,)).whole
    unknown = Deeds(other=(NOTE,), known=False)
    assert (unknown.word, unknown.shown, unknown.whole) == ("unknown", ("", ""), False)
    assert Deed("t", {"a": "\ud800"}).line == 't {"a": "\\ud800"}'
    assert NOTE.json() == {"tool": "write_file", "arguments": {"path": "a.md", "text": "milk\n"}}


@pytest.mark.parametrize(
    ("said", "deeds", "cheaper", "worth"),
    [
        (Verdict.BETTER, Deeds(), True, Verdict.BETTER),
        (Verdict.NONE, Deeds(own=(NOTE,)), True, Verdict.NONE),
        (Verdict.SAME, Deeds(own=(NOTE,)), True, Verdict.SAME),
        (Verdict.SAME, Deeds(own=(LONG,)), True, Verdict.UNDECIDED),
        (Verdict.SAME, Deeds(known=False), True, Verdict.UNDECIDED),
        (Verdict.BETTER, Deeds(own=(NOTE,)), True, Verdict.UNDECIDED),
        (Verdict.WORSE, Deeds(own=(NOTE,)), True, Verdict.WORSE),
        (Verdict.WORSE, Deeds(own=(NOTE,)), False, Verdict.UNDECIDED),
        (Verdict.BETTER, Deeds(own=(NOTE,)), False, Verdict.BETTER),
    ],
)
def test_who_did_other_things_is_as_good_only_if_the_judge_says_so(
    said: Verdict, deeds: Deeds, cheaper: bool, worth: Verdict
) -> None:
    """The cheaper tier can always be worse; better than undecided it is by `same` alone."""
    assert limited(said, deeds, other_cheaper=cheaper) is worth


def test_only_a_tool_that_says_so_just_looks() -> None:
    """What is not known leaves something behind."""
    assert leaves(None, NO_LABELS)
    assert leaves(spec(looks=False), NO_LABELS)
    assert leaves(spec(looks=True), frozenset({Label.CHANGES}))
    assert not leaves(spec(looks=True), frozenset({Label.SENDS, Label.COSTS}))


def wants(*calls: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    """A message that makes calls."""
    return {
        "role": "assistant",
        "tool_calls": [
            {"id": one, "function": {"name": name, "arguments": json.dumps(given)}}
            for one, name, given in calls
        ],
    }


def gave(one: str, text: str) -> dict[str, Any]:
    """A result."""
    return {"role": "tool", "tool_call_id": one, "content": text}


def test_a_transcript_is_heard_again_call_by_call() -> None:
    """Ids come again in another attempt; a call made oftener hears the last answer again."""
    told = Recorded.of(
        [
            {"role": "user", "content": "Do it."},
            wants(("1", "read_file", {"path": "a"}), ("2", "fetch", {"url": "u"})),
            gave("1", "one"),
            gave("2", "refused: not that one"),
            gave("9", "of nobody"),
            wants(("1", "read_file", {"path": "a"}), ("2", "fetch", {"url": "v"})),
            gave("1", "two"),
            {"role": "assistant", "content": "Done."},
            {"role": "user", "content": "Again."},
            wants(("1", "write_file", {"path": "b"}), ("2", "t", {})),
            gave("1", "error: it is full"),
            gave("2", "wrong arguments: x is missing"),
        ]
    )
    tools = ["read_file", "fetch", "read_file", "write_file", "t"]
    assert [one.tool for one in told.calls] == tools
    heard = [told.next("read_file", {"path": "a"}) for _ in range(3)]
    assert [one.text for one in heard if one] == ["one", "two", "two"]
    assert told.next("fetch", {"url": "u"}) is None
    assert told.next("fetch", {"url": "v"}) is None  # no answer came
    assert told.next("t", {}) is None
    assert told.refusal("fetch", {"url": "u"}) == "not that one"
    assert told.refusal("read_file", {"path": "a"}) == ""
    assert told.next("write_file", {"path": "b"}) == Called(
        "write_file", {"path": "b"}, "error: it is full"
    )
    assert told.texts == ["one", "two"]
