"""What of a text can be seen; most of it is seen through the looks that use it."""

from __future__ import annotations

from twotier.verify.words import figures, script, some, tongue


def test_a_text_of_two_scripts_is_of_neither() -> None:
    assert script("ab яю") == ""
    assert script("abc я") == "latin"
    assert script("123") == ""


def test_a_language_is_told_only_where_it_is_clear() -> None:
    assert tongue("the cat and the dog") == "english"
    assert tongue("the die and und") == ""


def test_figures_are_the_same_however_they_are_written() -> None:
    assert figures("1. It costs 1,200.50 or 007") == {"1200.5", "7"}
    assert some(["a", "b", "c", "d"]) == "a, b, c and 1 more"
