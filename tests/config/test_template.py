"""A template becomes a job's file: its answers are values, whatever was typed."""

from __future__ import annotations

import tomllib

import pytest

from twotier.config.template import Ask, Template, checked, filled, read, settings
from twotier.errors import UsageError

TEXT = '''
about = "Looks for comments."
prompt_tokens = 800
output_tokens = 60
job = """
# What to look at.
watch = { kind = "github-discussions", repo = <repo>, token = <token> }
every = <every>
prompt = "Summarise what is new in <text:repo>."
hosts = <hosts>
model = <model>
"""

[[ask]]
key = "repo"
text = "Which repository?"
like = "[^/ ]+/[^/ ]+"
example = "me/blog"

[[ask]]
key = "token"
kind = "secret"
text = "Where is the token?"
default = "env:GITHUB_TOKEN"

[[ask]]
key = "every"
text = "How often?"
default = "30m"

[[ask]]
key = "hosts"
kind = "list"
text = "Which hosts?"
optional = true

[[ask]]
key = "model"
text = "Which model?"
optional = true

[[ask]]
key = "search"
text = "Which search?"
setting = "tools.search.url"
example = "https://search.example.org"
'''


def template() -> Template:
    return read("comment-check", TEXT)


def test_a_filled_template_is_a_file_with_its_comments() -> None:
    text = filled(template(), {"repo": "me/blog", "hosts": "a.org, b.org,"}, name="x")
    assert "# What to look at." in text
    assert tomllib.loads(text) == {
        "watch": {
            "kind": "github-discussions",
            "repo": "me/blog",
            "token": "env:GITHUB_TOKEN",
        },
        "every": "30m",
        "prompt": "Summarise what is new in me/blog.",
        "hosts": ["a.org", "b.org"],
    }


@pytest.mark.parametrize("typed", ['a" }\nevery = "1s', "\\", '"""', "x\ny", "ü € </item>"])
def test_what_is_typed_is_a_value_and_never_a_setting(typed: str) -> None:
    found = tomllib.loads(filled(template(), {"repo": typed}, name="x"))
    assert found["watch"]["repo"] == typed
    assert found["prompt"] == f"Summarise what is new in {typed}."
    assert set(found) == {"watch", "every", "prompt"}


def test_answers_that_do_not_fit_say_so_with_an_example() -> None:
    answers = {"repo": "blog", "token": "ghp_1234", "nonsense": "1"}
    wrong = checked(template(), answers, set_already=set())
    assert [one.partition(":")[0] for one in wrong] == ["nonsense", "repo", "token", "search"]
    assert "me/blog" in wrong[1]
    assert "never the secret" in wrong[2]
    assert "ghp_1234" not in " ".join(wrong)


def test_what_the_main_file_has_is_not_asked_again() -> None:
    answers = {"repo": "me/blog"}
    assert checked(template(), answers, set_already={"tools.search.url"}) == []
    assert settings(template(), answers, set_already=()) == {}
    given = {**answers, "search": "https://s.example.org"}
    assert settings(template(), given, set_already=()) == {
        ("tools.search", "url"): "https://s.example.org"
    }


@pytest.mark.parametrize(("answer", "typed"), [("15", 15), ("0.5", 0.5)])
def test_a_number_is_a_number(answer: str, typed: float) -> None:
    ask = Ask("usd", "How much?", kind="number")
    assert ask.typed(answer) == typed
    assert not ask.problem(answer)
    assert "a number" in ask.problem("much")


def test_a_template_that_names_what_it_does_not_ask_is_refused() -> None:
    broken = Template("x", "x", "a = <b>", asks=(), prompt_tokens=1, output_tokens=1)
    with pytest.raises(UsageError, match="<b>"):
        filled(broken, {}, name="x")
