"""What a program can see of an answer that does the same work as another one."""

from __future__ import annotations

import pytest

from twotier.jobs.compare import Given, alike, checks, passed

MAIL = "Invoice 4711 of 1,200.50 EUR is due on 12 May, see https://pay.example/i/4711 and #88."
GIVEN = Given("Say in one line what it wants.", (MAIL,))
OTHER = "Invoice 4711 over 1.200,5 EUR has to be paid until the 12th of May."


def failing(candidate: str, *, other: str = OTHER, given: Given = GIVEN, cut: bool = False) -> str:
    """The checks that did not pass, by name."""
    found = checks(candidate, other=other, given=given, cut=cut)
    assert passed(found) is not any(not one.passed for one in found)
    return " ".join(one.name for one in found if not one.passed)


@pytest.mark.parametrize(
    ("candidate", "fails"),
    [
        ("Pay invoice 4711 (1200.50 EUR) by 12 May: https://pay.example/i/4711.", ""),
        ("Pay #88, see https://pay.example/i/4711", ""),
        ("  \n", "text"),
        ("Pay 4711 at https://pay.example/i/47", "citations"),
        ("Pay 4711 at https://evil.example/x, and #89", "citations"),
        ("Pay invoice 4711 over 1,250.50 EUR by 12 May.", "numbers"),
        ("Pay invoice 4712, 4713, 4714 and 4715.", "numbers"),
        ("Die Rechnung 4711 ist mit dem 12. Mai zu zahlen und nicht eine Mahnung.", "language"),
        ("Счёт 4711 нужно оплатить до 12 мая.", "language"),
        ("1. Invoice 4711\n2. is due\n3. on 12 May", ""),
        ("Pay it. " * 40, "length loop"),
        ("so\n" * 5 + "invoice 4711 is to be paid until 12 May", "loop"),
    ],
)
def test_what_an_answer_must_not_do(candidate: str, fails: str) -> None:
    """One line each; what is fine stands among them, so that no check cries at everything."""
    assert failing(candidate) == fails


def test_a_finished_answer_of_the_form_that_was_asked_for() -> None:
    """Lines by their count, JSON by its fields; one that was cut off is never whole."""
    lines = Given("Three lines.", lines=3)
    assert failing("one\n\ntwo\nthree", given=lines, other="a\nb\nc") == ""
    assert failing("one\ntwo", given=lines, other="a\nb\nc") == "form"
    assert failing("one\ntwo\nthree", given=lines, other="a\nb\nc", cut=True) == "form"
    free = Given("As JSON.")
    assert failing('{"b": 1, "a": 2}', given=free, other='{"a": 1, "b": 9}') == ""
    assert failing('{"a": 2}', given=free, other='{"a": 1, "b": 9}') == "form"
    assert failing('{"a": 2, "c": 3}', given=free, other='{"a": 1}') == "form"
    assert failing("a is 2", given=free, other='{"a": 1}') == "form"


def test_without_items_there_is_nothing_to_hold_figures_against() -> None:
    """A job that looks things up by itself may know what the other answer does not."""
    assert failing("It was 17,352 on https://news.example/1.", given=Given("What news?")) == ""


def test_short_answers_have_no_length_language_or_loop() -> None:
    """Yes and no are answers; so is a number without a letter."""
    assert failing("no", other="yes", given=Given("Is it spam?")) == ""
    assert failing("42", other="It is 42 by the tables of this and that.", given=Given("?")) == (
        "length"
    )


def test_letters_of_many_scripts_are_of_none() -> None:
    """No script holds more than half, so none is claimed."""
    assert failing("да no 東京", other="invoice", given=Given("?")) == ""


def test_the_same_json_is_the_same_answer() -> None:
    """Whatever its blanks and the order of its fields; other texts are the same word for word."""
    assert alike(" Pay it.\n", "Pay it.")
    assert alike('{"a": 1, "b": [2]}', '{"b":[2],"a":1}')
    assert not alike('{"a": 1}', '{"a": 2}')
    assert not alike("Pay it.", "Pay it now.")


def test_fields_that_may_be_left_out_are_not_compared() -> None:
    """A schema says which; without one the other answer does."""
    typed = Given("Say it.", typed=True)
    assert failing('{"a": 1}', other='{"a": 1, "b": 2}', given=typed) == ""
    assert failing('{"a": 1}', other='{"a": 1, "b": 2}', given=Given("Say it.")) == "form"
