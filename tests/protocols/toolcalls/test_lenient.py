"""JSON that is almost JSON is read; what cannot be guessed is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.protocols.toolcalls.lenient import DEPTH_MAX, BrokenJsonError, read_value

VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_good_json_is_read_as_it_is(value: Any) -> None:
    """By the standard decoder."""
    text = json.dumps(value)
    assert read_value(f"  {text} x", 2) == (value, 2 + len(text), True, True)


@given(VALUES)
def test_the_slow_way_reads_the_same(value: Any) -> None:
    """A comma too many takes it; the values are those that were written."""
    found, _, clean, closed = read_value(json.dumps([value])[:-1] + ",]", 0)
    assert (found, clean, closed) == ([value], False, True)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{'a': 'b'}", {"a": "b"}),
        ("{a: 1, b-c: 2}", {"a": 1, "b-c": 2}),
        ('{"a": 1,, }', {"a": 1}),
        ("[1, 2,]", [1, 2]),
        ("{'a': True, 'b': None, 'c': False}", {"a": True, "b": None, "c": False}),
        ('{"a": "line\nbreak"}', {"a": "line\nbreak"}),
        ('{"a": "\\d\\"\\u0041\\\\ \\\'",}', {"a": "\\d\"A\\ '"}),
        ('{"a": "\\uzz",}', {"a": "\\uzz"}),
        ('{"a": 1.5e3,}', {"a": 1500.0}),
        ('{"a": -1,}', {"a": -1}),
        ('{"a": 1 // one\n,}', {"a": 1}),
        ("{ }", {}),
    ],
)
def test_what_models_write_is_read(text: str, wanted: Any) -> None:
    """Python's words, JavaScript's keys, commas and escapes too many."""
    assert read_value(text, 0)[0] == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"a": [1, 2', None),
        ('{"a": [1, 2]', {"a": [1, 2]}),
        ('{"a": {"b": "c"', {"a": {"b": "c"}}),
        ('{"a": "b",', {"a": "b"}),
        ("[true", [True]),
        ("{", {}),
    ],
)
def test_braces_that_are_missing_at_the_end_are_taken_for_granted(text: str, wanted: Any) -> None:
    """And said to be missing. A number there may be half of one."""
    if wanted is None:
        with pytest.raises(BrokenJsonError):
            read_value(text, 0)
        return
    value, end, clean, closed = read_value(text, 0)
    assert (value, end, clean, closed) == (wanted, len(text), False, False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{'a': 'b",
        '{"a": "b\\',
        '{"a" 1}',
        '{"a": 1 "b": 2}',
        "{1: 2}",
        "{a: NaN}",
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": 1e999,}',
        "[tru]",
        "[" * (DEPTH_MAX + 3) + "1,]",
        "[" * (DEPTH_MAX + 2) + "1" + "]" * (DEPTH_MAX + 2),
        "[" * 100_000,
        '{"a": ' + "9" * 5_000 + ",}",
        '{"a": ' + "9" * 5_000 + "}",
    ],
)
def test_what_cannot_be_guessed_is_refused(text: str) -> None:
    """Strings without an end, numbers that are none, nesting that nobody means."""
    with pytest.raises(BrokenJsonError):
        read_value(text, 0)


def test_what_is_nested_as_deep_as_arguments_are_is_read() -> None:
    """The fast way and the slow way have the same limit."""
    for deepest in ("1", "1,"):
        text = "[" * DEPTH_MAX + deepest + "]" * DEPTH_MAX
        assert read_value(text, 0)[1] == len(text)
