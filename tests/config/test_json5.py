"""JSON5 as its grammar says, and a clear error for anything else, quickly."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from twotier.config.json5 import DEPTH_MAX, read
from twotier.errors import ConfigError

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def value(text: str) -> Any:
    return read(text, source="a file")


def wrong(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        value(text)
    return caught.value.message


def outcome(text: str) -> str:
    """Empty where it could be read, else how the error begins."""
    try:
        value(text)
    except ConfigError as exc:
        return exc.message[:13]
    return ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", {}),
        ("//\n{a: 1, /* in */ 'b': [1, 2,], \"c\": null,} //", {"a": 1, "b": [1, 2], "c": None}),
        ("{$x_1: true, été: false, a\\u0062: 1}", {"$x_1": True, "été": False, "ab": 1}),
        ("[.5, 5., +1, -0x1F, 1e3, -.5e-1]", [0.5, 5.0, 1, -31, 1000.0, -0.05]),
        ("[Infinity, -Infinity]", [math.inf, -math.inf]),
        ("'it\\'s \\\non \\\r\none line'", "it's on one line"),
        (r'"\x41\u00e9\b\f\n\r\t\v\0\q"', "Aé\b\f\n\r\t\v\0q"),
        (r'"\ud83d\ude00 \ud83d"', "😀 \ufffd"),
        ('"\u2028"', "\u2028"),
        ("{a: 1, a: 2}", {"a": 2}),
        ("\ufeff\u00a0[]", []),
        ("9007199254740993", 9007199254740992.0),
        ("0x20000000000001", 9007199254740992.0),
        ("0x" + "f" * 300, math.inf),
        ("-" + "9" * 400, -math.inf),
    ],
)  # fmt: skip
def test_it_reads_what_the_grammar_knows(text: str, expected: Any) -> None:
    assert value(text) == expected


def test_not_a_number_is_one_of_its_numbers() -> None:
    assert math.isnan(value("NaN"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1, column 1: it ends where a value should stand"),
        ("{a: 1,\n  b 2}", "line 2, column 5: a colon is missing behind a name"),
        ("[1 2]", "a comma or ] is missing"),
        ("{a: 1 b: 2}", "a comma or } is missing"),
        ("{1a: 1}", "no name stands here"),
        ("{,}", "no name stands here"),
        ("[,]", "no value stands here"),
        ("1 2", "there is more behind the end"),
        ("undefined", "no value stands here"),
        ("012", "no value stands here"),
        ("'a\nb'", "a text does not end on its line"),
        ("'a", "a text does not end on its line"),
        ("'a\\", "a text does not end on its line"),
        (r"'\x4'", "\\x needs hexadecimal digits"),
        (r"'\u12'", "\\u needs hexadecimal digits"),
        (r"'\1'", "\\1 is no escape"),
        (r"'\01'", "\\0 is no escape"),
        ("/* no end", "no value stands here"),
        ("[" * (DEPTH_MAX + 1), "nested more than 100 deep"),
    ],
)
def test_what_it_does_not_know_is_told_with_its_place(text: str, said: str) -> None:
    assert said in wrong(text)
    assert wrong(text).startswith("a file, line ")


def test_an_error_never_repeats_the_text() -> None:
    """It may be a key that somebody pasted in."""
    assert "sk-ant" not in wrong("{apiKey: sk-ant-api03-never-to-be-seen}")


@settings(deadline=None, max_examples=50)
@given(PLAIN)
def test_plain_json_says_the_same(thing: Any) -> None:
    assert value(json.dumps(thing)) == json.loads(json.dumps(thing).encode("utf-8", "replace"))


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=2_000) | st.text(alphabet="{}[]'\"\\,:/*0x1eE+-.\n \ta$N", max_size=2_000))
@example("/*" * 1_000)
def test_anything_is_a_value_or_a_clear_error(text: str) -> None:
    """What is no value is a sentence with a place, never another exception."""
    assert outcome(text) in ("", "a file, line ")


@pytest.mark.parametrize(
    "text",
    [
        '"' + "\\n" * 32_000, "[" * 64_000, "/*" * 32_000, "9" * 64_000, "0x" + "f" * 64_000,
        "{" + "a:1," * 16_000 + "}", "//" * 32_000, "1e" + "9" * 64_000, " " * 64_000,
        "{a:" * 20_000,
        "\\u0041" * 10_000, "{" + "a" * 64_000, "'\\\n" * 20_000, "[" + "1," * 32_000,
    ],
)  # fmt: skip
def test_64_kilobytes_of_one_thing_are_read_in_one_pass(text: str) -> None:
    """The suite's own time limit is the bound: what is not linear would take minutes here."""
    assert outcome(text) in ("", "a file, line ")
