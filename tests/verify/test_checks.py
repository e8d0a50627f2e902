"""What a program can see of one answer. What is fine stands among what is not, so that no look
cries at everything.
"""

from __future__ import annotations

import pytest

from twotier.verify.checks import PLAIN, Asked, Check, Said, circles, failed, lines_asked, look

MAIL = "Invoice 4711 of 1,200.50 EUR is due on 12 May, see https://pay.example/i/4711, #88, OPS-12."
READ = Asked("Say what the sender of that mail wants from us and why.", (MAIL,))
FORM = {
    "type": "object",
    "properties": {"total": {"type": "number"}},
    "required": ["total"],
    "additionalProperties": False,
}
TOOLS = {"look": FORM}


def wrong(asked: Asked, answer: str, *, cut: bool = False) -> str:
    """The names of what did not pass."""
    found = look(asked, Said(answer, cut=cut))
    return " ".join(check.name for check in found if not check.passed)


@pytest.mark.parametrize(
    ("answer", "fails"),
    [
        ("Pay invoice 4711 by 12 May: https://pay.example/i/4711.", ""),
        ("Pay #88, OPS-12 says so; UTF-8 is none of its keys.", ""),
        ("  \n", "text"),
        ("Pay at https://pay.example/i/47", "citations"),
        ("Pay #89", "citations"),
        ("Pay OPS-13", "citations"),
        ("Die Rechnung ist mit dem 12. Mai zu zahlen und nicht eine Mahnung.", "language"),
        ("Счёт нужно оплатить до 12 мая.", "language"),
        ("It is 3 * 4 = 13 EUR.", "arithmetic"),
    ],
)
def test_of_what_it_was_given(answer: str, fails: str) -> None:
    assert wrong(READ, answer) == fails


def test_what_was_not_given_cannot_be_cited_wrongly() -> None:
    assert wrong(Asked("What is new?"), "See https://news.example/1 and #12.") == ""
    (check,) = look(Asked("What?"), Said("There are 95 of them."), names=["numbers"])
    assert check.passed


def test_figures_are_looked_at_where_a_job_says_so() -> None:
    (check,) = look(READ, Said("Pay 4712 and 99."), names=["numbers"])
    assert check == Check("numbers", False, "figures that are not in the items: 4712, 99")
    assert look(READ, Said("Pay 4711, 1200.5 EUR."), names=["numbers"])[0].passed


def test_a_limit_that_nobody_meant_is_told() -> None:
    assert wrong(READ, "Pay inv", cut=True) == "whole"


@pytest.mark.parametrize(
    ("prompt", "answer", "fails"),
    [
        ("Summarise in three lines.", "a\n\nb\nc", ""),
        ("Summarise in three lines.", "a\nb", "form"),
        ("Say it in at most 2 lines", "a", ""),
        ("Say it in up to two lines", "a\nb\nc", "form"),
        ("Answer in 2 to 3 lines.", "a\nb\nc", ""),
        ("Answer in exactly 2 lines.", "a", "form"),
        ("Answer in one line.", "a\nb", "form"),
        ("What is wrong in 3 lines of code?", "a", ""),
        ("Delete the first three lines", "done", ""),
        ("In two lines, and then in three lines.", "a", ""),
    ],
)
def test_lines_that_the_words_ask_for(prompt: str, answer: str, fails: str) -> None:
    assert wrong(Asked(prompt), answer) == fails


def test_lines_that_a_job_asks_for_go_before_its_words() -> None:
    assert wrong(Asked("in three lines", lines=2), "a\nb") == ""
    assert lines_asked("in 2 or 4 lines") == (2, 4)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ('{"total": 3}', ""),
        ('```json\n{"total": 3}\n```', ""),
        ("total: 3", "it is not JSON, as was asked for"),
        ('{"total": "3"}', "total"),
    ],
)
def test_the_form_of_json(answer: str, says: str) -> None:
    found = failed(look(Asked("How much?", schema=FORM), Said(answer)))
    assert says in found
    assert bool(found) is bool(says)


def test_any_object_will_do_where_only_json_was_asked_for() -> None:
    asked = Asked("As JSON.", schema={})
    assert wrong(asked, "{}") == ""
    assert failed(look(asked, Said("[1]"))) == "it is no JSON object, as was asked for"


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("look", '{"total": 1}', ""),
        ("look", "", "look: "),
        ("look", "{total", "the arguments of look are not JSON"),
        ("fly", "{}", "it calls fly, which is no tool here"),
    ],
)
def test_calls_of_tools(name: str, arguments: str, says: str) -> None:
    asked = Asked("Do it.", tools=TOOLS, schema=FORM)
    found = failed(look(asked, Said("", [(name, arguments)]), names=PLAIN))
    assert says in found
    assert bool(found) is bool(says)


def test_calls_of_servers_tools_that_nobody_named_are_not_ours_to_judge() -> None:
    assert look(Asked("Do it."), Said("", [("web_search", "{}")]), names=["calls"])[0].passed


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("3 + 4 = 7", True),
        ("So 1,200 + 50.5 = 1,250.5 in all", True),
        ("12 × 3 = 36, 36 ÷ 9 = 4, 7 − 9 = -2", True),  # noqa: RUF001
        ("2 + 3 * 4 = 14", True),
        ("10 / 3 = 3.33", True),
        ("17 / 5 = 3 rest 2", True),
        ("10 / 4 = 2.5", True),
        ("1 / 0 = 7", True),  # nobody can say
        ("x + 3 * 4 = 13", True),  # the left side is only its end
        ("(1 + 2) * 3 = 9", True),
        ("3 + 4 = 7 + 1", True),  # goes on
        ("1 / 8 = 12.5%", True),
        ("2^3 + 1 = 9", True),
        ("3 + 4 = 8", False),
        ("12 * 3 = 35", False),
        ("10 / 3 = 3.5", False),
        ("10 / 3 = 5", False),
        ("total = 5 - 1 + 2 = 7", False),
        ("1 + 2 - 3 4 + 4 = 9", False),  # behind a row of terms that is no equation
        (f"1 + {'9' * 5000} = 2", True),  # Python itself reads no such number
    ],
)
def test_equations(text: str, fine: bool) -> None:
    assert look(Asked("?"), Said(text), names=["arithmetic"])[0].passed is fine


def test_a_wrong_sum_is_shown() -> None:
    assert failed(look(Asked("?"), Said("3  +  4 = 8"))) == "reckons wrongly: 3 + 4 = 8"


CODE = "\n".join(
    f"  if a == {n}:\n    return None\n  }}\n  }}\n  }}\n  }}\n  }}\n  }}" for n in range(9)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("All is well. " * 3, ""),
        (CODE, ""),
        ("-" * 300, ""),
        ("go on " * 200, "again and again"),
        ("\n".join(["the same line"] * 5 + ["the end"]), "in a row"),
        ("\n".join(["the same line"] * 4 + ["the end"]), ""),
        (
            " ".join(f"we will look at it once more {n}" for n in range(6)) + ".",
            "the same 6 words",
        ),
        (
            " ".join(f"we will look at it once more {n} " + "other words " * n for n in range(60)),
            "again and again",
        ),
        (" ".join(f"word{n}" for n in range(300)), ""),
        (
            " ".join(
                " ".join(f"w{n}x{m}" for m in range(40)) + " as the owner of it said"
                for n in range(6)
            ),
            "",  # a phrase, not most of the text
        ),
    ],
)
def test_circles(text: str, says: str) -> None:
    assert says in circles(text)
    assert bool(circles(text)) is bool(says)


def test_the_language_is_free_where_somebody_spoke_of_languages() -> None:
    german = "Die Rechnung ist mit dem 12. Mai zu zahlen und nicht eine Mahnung."
    english = "Say what the sender of that mail wants from us and not this."
    assert wrong(Asked(english), german) == "language"
    assert wrong(Asked(f"{english} In German."), german) == ""
    assert wrong(Asked(english, (german,)), german) == ""
    assert wrong(Asked("ok"), german) == ""
