"""A path finds what it names, and nothing where there is nothing."""

from __future__ import annotations

from typing import Any

import pytest

from twotier.domain.json_path import MISSING, at, parts_of

VALUE = {"data": {"items": [{"id": 1}, {"id": None}], "odd.name": "x"}, "0": "zero"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", VALUE),
        ("data.items[0].id", 1),
        ("data.items[-1].id", None),
        ('data["odd.name"]', "x"),
        ('["0"]', "zero"),
        ("0", "zero"),
        ("data.items[2]", MISSING),
        ("data.items[-3]", MISSING),
        ("data.items.id", MISSING),
        ("data[0]", MISSING),
        ("nothing.at.all", MISSING),
    ],
)
def test_a_path_finds_what_it_names(path: str, found: Any) -> None:
    """Null is found, nothing is missing."""
    assert at(VALUE, parts_of(path)) == found
    assert not MISSING


@pytest.mark.parametrize("path", [".a", "a.", "a..b", "a[x]", "a b", "a[", '["a]', "[0]a"])
def test_what_is_no_path_is_refused_with_an_example(path: str) -> None:
    """At `config check`, and not at night."""
    with pytest.raises(ValueError, match="is no path; write for example"):
        parts_of(path)
