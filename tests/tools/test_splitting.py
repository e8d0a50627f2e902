"""What a small reader picks is copied word for word, and what a writer cites can be found."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.jobs.making import HandClock
from twotier.errors import ToolError
from twotier.tools.reading import Ask, Limits, Reading, Told
from twotier.tools.splitting import (
    EXTRACTS_CHARACTERS_MAX,
    LINE_CHARACTERS_MAX,
    LINES_MAX,
    Extract,
    Split,
    cited,
    extracts,
    lines_of,
    numbers,
    pieces,
    split,
    within,
    worth,
)

NUMBERED = re.compile(r"^(\d+)\| (.*)$", re.MULTILINE)
LONG = {
    "a.md": "".join(f"line {number} of a\n" for number in range(1, 1_501)),
    "b.md": "first of b\n\nthird of b, the answer is 42\n",
}


def reading(*answers: str, word: str = "") -> tuple[Reading, list[Ask]]:
    """A local tier: these answers in turn, the last one stays; or every line with this word."""
    asked: list[Ask] = []
    left = list(answers)

    async def ask(one: Ask) -> Told:
        asked.append(one)
        if not word:
            return Told(left.pop(0) if len(left) > 1 else left[0], tokens=10)
        found = [int(number) for number, text in NUMBERED.findall(one.prompt) if word in text]
        return Told(json.dumps({"lines": [{"from": at, "to": at} for at in found[:12]]}))

    limits = Limits(window_tokens=4_000, output_tokens_max=400)
    return Reading(ask, limits, key="k", now=HandClock().monotonic), asked


def picked(*answers: str, word: str = "") -> tuple[Split, list[Ask]]:
    """What is picked of `LONG`."""
    local, asked = reading(*answers, word=word)
    return asyncio.run(split("What is the answer?", LONG, reading=local)), asked


def test_all_of_it_is_read_and_only_what_was_picked_is_kept() -> None:
    """Every line is shown once, in pieces that fit; an extract has its own line's number."""
    found, asked = picked(word="answer is")
    assert found == Split((Extract("b.md", 3, 3, "third of b, the answer is 42"),), len(asked))
    shown = [text for one in asked for _, text in NUMBERED.findall(one.prompt)]
    assert shown == [line.text for line in lines_of(LONG)]
    assert len(shown) == 1_502
    assert {one.schema is not None for one in asked} == {True}
    prompt = found.prompt("What is the answer?")
    assert prompt.startswith("What is the answer?\n")
    assert "[1] b.md:3\n\nthird of b, the answer is 42" in prompt
    assert "line 7 of a" not in prompt


def test_an_answer_without_the_form_is_asked_for_once_more() -> None:
    """Then it is an error; a list that leads nowhere picks nothing, and that is said."""
    wide = json.dumps(
        {"lines": [{"from": 5, "to": 2}, {"from": -3, "to": 1}, {"from": 9_000, "to": 9_001}]}
    )
    found, asked = picked("no JSON", wide)
    assert found.extracts[0] == Extract(
        "a.md", 1, 5, "\n".join(f"line {n} of a" for n in range(1, 6))
    )
    assert len(asked) == found.pieces + 1
    with pytest.raises(ToolError, match="did not tell the lines: it is not JSON"):
        picked("no JSON")
    with pytest.raises(ToolError, match=r"found nothing for this task in \d+ parts"):
        picked('{"lines": []}')
    local, _ = reading("")
    with pytest.raises(ToolError, match="the task is too long"):
        asyncio.run(split("x" * 9_000, LONG, reading=local))


def test_no_range_is_longer_than_may_be_picked() -> None:
    """A reader that wants everything gets the first lines of each range."""
    assert numbers([{"from": 1, "to": 5_000}], 500) == set(range(1, LINES_MAX + 1))
    assert numbers([{"from": 499, "to": 700}], 500) == {499, 500}


def test_citations_are_checked_and_led_back() -> None:
    """Links are none; what is cited is listed below, with its place; what is not there is told."""
    found = Split((Extract("a", 1, 1, "x"), Extract("b", 3, 9, "y"), Extract("c", 2, 2, "z")), 1)
    text = "It is so [2], and so [1; 2]. See [4](https://example.com/4)."
    assert cited(text) == {1, 2}
    assert found.wrong(text) == ""
    assert found.with_sources(text) == f"{text}\n\n[1] a:1\n[2] b:3-9"
    assert found.with_sources("Nothing is cited. ") == "Nothing is cited."
    assert found.wrong("[0] or [9]") == "it cites [0], [9], and there are [1] to [3]"
    assert "(7 more extracts did not fit.)" in Split(found.extracts, 1, 7).prompt("Do.")


def test_what_does_not_fit_is_counted() -> None:
    """The first ones stay, always at least one."""
    many = [Extract("a", n, n, "x" * 5_000) for n in range(20)]
    kept = within(many, EXTRACTS_CHARACTERS_MAX)
    assert kept == many[: len(kept)]
    assert sum(len(one.text) for one in kept) <= EXTRACTS_CHARACTERS_MAX
    assert within(many, 10) == many[:1]


def test_short_material_is_not_worth_it() -> None:
    """It is sent as it is."""
    assert not worth("Do.", {"a": "short"})
    assert worth("Do.", LONG)


TEXT = st.text(st.characters(codec="utf-8"), max_size=1_500)


@given(texts=st.dictionaries(st.text(min_size=1, max_size=8), TEXT, max_size=3), data=st.data())
def test_extracts_are_word_for_word(texts: dict[str, str], data: st.DataObject) -> None:
    """Whatever is picked, its text stands like that at its place, but for empty lines."""
    lines = list(lines_of(texts))
    assert all(len(line.text) <= LINE_CHARACTERS_MAX for line in lines)
    cut = list(pieces(lines, characters_max=1_200))
    assert [line for piece in cut for line in piece] == lines
    chosen = data.draw(st.sets(st.sampled_from(range(len(lines))))) if lines else set()
    mine = [lines[at] for at in sorted(chosen)]
    for one in extracts(mine):
        rows = texts[one.source].splitlines()[one.first - 1 : one.last]
        said = "\n".join(row.rstrip() for row in rows if row.strip())
        assert one.text in said
