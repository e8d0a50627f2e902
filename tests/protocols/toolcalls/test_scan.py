"""Where a quotation begins and ends, in whatever pieces the text comes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.protocols.toolcalls.base import Cursor
from twotier.protocols.toolcalls.fence import Fence


@pytest.mark.parametrize(
    ("text", "quoting"),
    [
        ("", False),
        ("so ", False),
        ("`", True),
        ("`a` ", False),
        ("`a", True),
        ("`a\nb", True),
        ("`a\n\nb", False),
        ("``a", True),
        ("``a`` ", False),
        ("```\n", True),
        ("```\na\n\nb", True),
        ("```\na\n```\n", False),
        ("````\n", True),
        ("it`s\n\n`", True),
    ],
)
def test_a_quotation_is_a_fence_or_a_span_of_one_paragraph(text: str, quoting: bool) -> None:
    """As in Markdown, near enough."""
    fence = Fence()
    fence.passed(text)
    assert fence.quoting is quoting
    assert fence.copy().quoting is quoting


@given(st.text(alphabet="`\na", max_size=24), st.lists(st.integers(0, 24), max_size=6))
def test_a_fence_does_not_depend_on_the_pieces(text: str, cuts: list[int]) -> None:
    """Nor on how many there are."""
    whole, cut, single = Fence(), Fence(), Fence()
    whole.passed(text)
    places = [0, *sorted(cuts), len(text)]
    for start, end in pairwise(places):
        cut.passed(text[start:end])
    for letter in text:
        single.passed(letter)
    assert whole.quoting is cut.quoting is single.quoting


def test_a_cursor_looks_at_each_place_once() -> None:
    """What it found is known until it is behind."""
    cursor = Cursor("a-b-c", 0)
    assert [cursor.find("-"), cursor.find("x")] == [1, -1]
    cursor.at = 2
    assert [cursor.find("-"), cursor.find("x"), cursor.find("-")] == [3, -1, 3]
