"""JSON texts are changed as a person would: nothing but ours changes, and it can be undone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twotier.connect.jsonc import DEPTH_MAX, drop, find, put, put_raw, raw, read
from twotier.errors import ConfigError

SERVER = {"command": "twotier", "args": ["mcp"]}
NAMES = st.text(min_size=1, max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
TEXTS = {
    "empty object": "{}",
    "spread": '{\n  "a": 1\n}\n',
    "tabs": '{\n\t"a": {\n\t\t"b": 1\n\t}\n}\n',
    "one line": '{"a": 1, "b": {"c": []}}',
    "comment behind": '{\n  // mine\n  "a": 1 // and this\n}\n',
    "block comment": '{\n  "a": 1 /* one */\n  /* two */\n}\n',
    "trailing comma": '{\n  "a": 1, // note\n}\n',
    "json5": '{ a: \'it\\\'s "so"\', models: { mode: "merge", }, } // end\n',
    "only a comment": "{\n  // nothing yet\n}\n",
    "words": "{\n  hex: 0xFF, sign: +1, up: NaN, bad: '\\x41',\n}\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("path", [("x",), ("x", "y"), ("models", "providers", "twotier")])
def test_what_was_put_in_can_be_taken_out(text: str, path: tuple[str, ...]) -> None:
    """Byte for byte, whatever the style; and what stood there still stands there."""
    changed = put(text, path, value=SERVER)
    member = find(read(changed), path)
    assert member is not None
    assert member.node.value == SERVER
    before = read(text).value
    assert {key: read(changed).value[key] for key in before}.keys() == before.keys()
    for line in text.splitlines():
        for word in line.replace("}", " ").replace(",", " ").replace("]", " ").split():
            assert word in changed
    assert drop(changed, path, down_to=there(text, path)) == text
    assert put(changed, path, value=SERVER) == changed


def there(text: str, path: tuple[str, ...]) -> int:
    """How many keys of a path are in the text."""
    root = read(text)
    return next((n for n in range(len(path)) if not find(root, path[: n + 1])), len(path))


@given(
    document=st.dictionaries(NAMES, VALUES, max_size=4),
    value=VALUES,
    indent=st.sampled_from([None, 2, "\t"]),
)
def test_any_document_gets_one_more_member(
    document: dict[str, Any], value: Any, indent: int | str | None
) -> None:
    """The result is JSON with exactly that member more, and comes back as it was."""
    document.pop("ours", None)
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    changed = put(text, ("ours", "twotier"), value=value)
    assert json.loads(changed) == {**document, "ours": {"twotier": value}}
    assert drop(changed, ("ours", "twotier"), down_to=0) == text


def test_an_empty_file_becomes_one_object() -> None:
    """A file that is not there is an empty text."""
    assert put("", ("a", "b"), value=1) == '{\n  "a": {\n    "b": 1\n  }\n}\n'


def test_a_value_is_replaced_in_its_place_and_comes_back() -> None:
    """Comments around it stay; the old text is known and can be put there again."""
    text = '{\n  "model": "opus", // mine\n  "b": {"c": 1}\n}\n'
    changed = put(text, ("model",), value={"x": 1})
    assert changed == '{\n  "model": {\n    "x": 1\n  }, // mine\n  "b": {"c": 1}\n}\n'
    assert raw(text, ("model",)) == '"opus"'
    assert raw(text, ("none",)) is None
    assert put_raw(changed, ("model",), value='"opus"') == text
    assert put_raw(text, ("none",), value="1") == text


def test_members_are_dropped_from_every_place() -> None:
    """First, middle, last, the only one; one that is not there changes nothing."""
    text = '{\n  "a": 1,\n  "b": 2, // two\n  "c": 3\n}\n'
    assert drop(text, ("a",), down_to=0) == '{\n  "b": 2, // two\n  "c": 3\n}\n'
    assert drop(text, ("b",), down_to=0) == '{\n  "a": 1, // two\n  "c": 3\n}\n'
    assert drop(text, ("c",), down_to=0) == '{\n  "a": 1,\n  "b": 2 // two\n}\n'
    assert drop('{"a": 1}', ("a",), down_to=0) == "{}"
    assert drop('{ /* why */ "a": 1 }', ("a",), down_to=0) == "{ /* why */ }"
    assert drop(text, ("z",), down_to=0) == text
    assert drop('{"a": {"b": 1, "c": 2}}', ("a", "b"), down_to=0) == '{"a": {"c": 2}}'


def test_the_last_of_two_members_with_one_name_counts() -> None:
    """As for every reader of JSON."""
    assert raw('{"a": 1, "a": 2}', ("a",)) == "2"


@pytest.mark.parametrize(
    "text",
    ['{"a" 1}', '{"a": }', "{,}", '{"a": 1', "[1 2]", '{"a": 1} x', '{"a": "x\n"}', "{[1]: 2}",
     '{"a": 1 "b": 2}', "[" * (DEPTH_MAX + 1)],
)  # fmt: skip
def test_what_is_no_json_is_refused(text: str) -> None:
    """With the line, so that a person can mend it."""
    with pytest.raises(ConfigError, match="no JSON in line"):
        put(text, ("x",), value=1)


@pytest.mark.parametrize("text", ['{"a": 1}', '{"a": [1]}', "[]"])
def test_nothing_is_put_into_what_is_no_object(text: str) -> None:
    """A list or a number has no members."""
    with pytest.raises(ConfigError, match="is no object"):
        put(text, ("a", "b"), value=1)
