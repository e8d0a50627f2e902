"""Two answers that say the same in other words are the same; what is not sure is not compared."""

from __future__ import annotations

import pytest

from twotier.verify.same import Kind, value_of

HOW_MANY = "How many apples are left?"


@pytest.mark.parametrize(
    ("one", "other", "prompt"),
    [
        ("18", "18.0", ""),
        ("$1,200", "1200 dollars", ""),
        ("0.33", "1/3", ""),
        ("-(1)/(2)", "-0.50", ""),
        ("x = ... so \\boxed{\\frac{1}{2}}", "The answer is 1/2.", ""),
        ("So it is 18.\n#### 18", "Answer: 18 apples", ""),
        ("He has 20, gives 2, and keeps 18 apples.", "So 18 are left.", HOW_MANY),
        ("Yes, because it is.", "yes", ""),
        ("**No**, it is not", "False", ""),
        ("(B)", "Option b", ""),
        ("B", "answer: B.", ""),
        ("Paris", "paris.", ""),
        ("\\boxed{x^2 + 1}", "\\boxed{$x^2 + 1$}", ""),
        ('{"a": 1, "b": [true, null]}', '{"b": [true, null], "a": 1.0}', ""),
        ('```json\n["Red"]\n```', '[ "red" ]', ""),
        (
            '{"reasoning": "first I looked at all of it, then", "answer": "18"}',
            '{"reasoning": "quite another way to look at it all", "answer": " 18 "}',
            "",
        ),
        (
            '{"reasoning": "first I looked at all of it, then", "answer": [1, 2]}',
            '{"reasoning": "quite another way to look at it all", "answer": [1,2]}',
            "",
        ),
        ("- red\n- Blue", "* blue\n* red", ""),
        ("1. red\n2. blue", "1) Red\n2) Blue", ""),
        (".5 km", "0.50 km", ""),
    ],
)
def test_the_same(one: str, other: str, prompt: str) -> None:
    first, second = value_of(one, prompt=prompt), value_of(other, prompt=prompt)
    assert first is not None
    assert second is not None
    assert first.says(second)
    assert second.says(first)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("18", "19"),
        ("0.3", "0.33"),  # one digit is too few to be a rounding
        ("5 km", "5 m"),
        ("Yes, because", "No, because"),
        ("A", "B"),
        ("Paris", "Rome"),
        ("18", "Paris"),
        ("true", "1"),
        ('{"a": 1}', '{"a": true}'),
        ("1. red\n2. blue", "1. blue\n2. red"),
        ("- red\n- blue", "- red\n- green"),
        ("1/3", "0.34"),
    ],
)
def test_not_the_same(one: str, other: str) -> None:
    first, second = value_of(one), value_of(other)
    assert first is not None
    assert second is not None
    assert not first.says(second)


@pytest.mark.parametrize(
    ("answer", "prompt", "structured"),
    [
        ("The sender wants to be paid soon, and he says so in some friendly words.", "", False),
        ("It costs 18 in all, which nobody asked for in this case, I should think.", "", False),
        ("Nobody knows how many there were, as they never said a word about it.", HOW_MANY, False),
        ('{"gist": "the sender wants to be paid soon, and says so"}', "", True),
        ('{"gist": "the sender wants to be paid soon, and says so"}', "", False),
        ("18", "", False),
        ("no JSON at all", "", True),
        ("[" + ",".join(["1"] * 61) + "]", "", True),
        ("- some longer sentence about what is red\n- blue", "", False),
        ("- red\nblue", "", False),
        ("\n".join(f"- {n}" for n in range(21)), "", False),
        ("[" * 100_000, "", True),  # deeper than Python calls
        ("[NaN]", "", True),
        ("[1e999]", "", True),
        (f"The \\boxed{{{'9' * 5000}}}", "", True),
        ("3/0 of it\nand so on, as they say, for some more words of this kind", "", False),
    ],
)
def test_what_cannot_be_compared(answer: str, prompt: str, structured: bool) -> None:
    found = value_of(answer, prompt=prompt, structured=structured)
    assert (found is None) is (answer != "18")


def test_what_was_compared_is_named() -> None:
    found = value_of("1/0")
    assert found is not None
    assert found.kind is Kind.WORDS
    assert value_of("...") is None
    long = value_of(f"\\boxed{{{'9' * 5000}}}")
    assert long is not None
    assert long.kind is Kind.WORDS  # Python reads no integer of so many digits
    assert value_of("Perhaps, but nobody is sure of it, as far as we could find out.") is None
    open_box = value_of("\\boxed{1")
    assert open_box is not None
    assert open_box.kind is Kind.WORDS
