"""Custom tools said as functions of one string, and their calls unwrapped again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.protocols import freeform
from twotier.protocols.freeform import freeform_names, unwrapped, wrapped

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(TEXTS))
def test_a_text_survives_wrapping_whole_or_in_pieces(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert unwrapped(wrapped(text)) == text
    streamed = "".join(freeform.escaped(piece) for piece in pieces)
    assert json.loads(freeform.HEAD + streamed + freeform.TAIL) == {"input": text}


@pytest.mark.parametrize(
    "arguments", ["", "*** Begin Patch", '{"patch": "x"}', '{"input": 5}', "["]
)
def test_what_has_another_form_is_shown_as_it_is(arguments: str) -> None:
    assert unwrapped(arguments) == arguments


def test_a_grammar_is_said_in_words() -> None:
    tool = freeform.freeform("p", "Patches.", syntax="lark", definition="start: x")
    assert (tool.freeform, tool.schema) == (True, freeform.SCHEMA)
    assert tool.description == "Patches.\n\nThe input follows this lark grammar:\nstart: x"
    assert freeform.freeform("p", "").description == ""


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"tools": [{"type": "custom", "custom": {"name": "a"}}, {"type": "function"}]}, {"a"}),
        ({"tools": [{"type": "custom", "name": "b"}]}, {"b"}),
        ({"input": '"custom"', "tools": None}, set()),
        ({"x": "custom", "tools": 5}, set()),
        ({}, set()),
    ],
)
def test_the_custom_tools_of_a_request_are_known_in_both_dialects(
    body: object, names: set[str]
) -> None:
    assert freeform_names(json.dumps(body).encode()) == names
