"""The text of a custom tool's call, out of the JSON around it."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.protocols.openai_responses.freeform_text import FreeformText, freeform_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.text('"\\\\u/d8eDxn{}\n', max_size=20), st.lists(st.integers(0, 40), max_size=8))
def test_no_cut_changes_what_is_no_json(text: str, cuts: list[int]) -> None:
    """Whatever a model writes between the quotes."""
    whole = f'{{"input":"{text}"}}'
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    found = FreeformText()
    pieces = [found.feed(whole[start:end]) for start, end in pairwise(edges)]
    assert "".join(pieces) == found.text == freeform_text(whole)


@given(TEXTS, st.booleans(), st.lists(st.integers(0, 400), max_size=8))
def test_any_cut_gives_the_same_text(text: str, escaped: bool, cuts: list[int]) -> None:
    """Escapes and pairs of surrogates may be cut in the middle; every piece is said once."""
    whole: Any = json.dumps({"input": text}, ensure_ascii=escaped)
    edges = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    found = FreeformText()
    pieces = [found.feed(whole[start:end]) for start, end in pairwise(edges)]
    assert "".join(pieces) == found.text == freeform_text(whole) == text


def test_the_text_comes_while_the_call_is_written() -> None:
    found = FreeformText()
    assert [
        found.feed(piece) for piece in ('{ "inp', 'ut" : "a', "b\\", "nc\\ud83d", "\\ude42")
    ] == [
        "",
        "a",
        "b",
        "\nc",
        "🙂",
    ]
    assert found.text == "ab\nc🙂"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", ""),
        ("*** Begin Patch", "*** Begin Patch"),  # a model that was told of text writes text
        ('{"patch": "x"}', '{"patch": "x"}'),
        ('{"other": 1, "input": "x"}', "x"),
        ('{"input": "x", "other": 1}', "x"),
        ('{"input": "cut off', "cut off"),
        ('{"input": "a\nb"}', "a\nb"),  # JSON would escape it; small models do not
        ('{"input": "\\u00e9\\/"}', "é/"),
        ('{"input": "half \\ud83d."}', "half \N{REPLACEMENT CHARACTER}."),
        ('{"input": "half \\ud83d\\u0041"}', "half \N{REPLACEMENT CHARACTER}A"),
        ('{"input": "half \\ud83d\\n"}', "half \N{REPLACEMENT CHARACTER}\n"),
        ('{"input": "half \\ude42"}', "half \N{REPLACEMENT CHARACTER}"),
        ('{"input": "C:\\users\\xyz \\\\x"}', "C:\\users\\xyz \\x"),
        ('{"input": "cut off \\u00', "cut off "),
    ],
)
def test_other_forms_are_taken_as_they_are(arguments: str, text: str) -> None:
    assert freeform_text(arguments) == text
