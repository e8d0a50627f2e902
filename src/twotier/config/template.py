"""A template of a job: what it asks its owner, and the text of the file it becomes. Pure.

A template is a TOML file of ours: `about`, a list of `[[ask]]`, and `job`, the text of the job's
own file with `<key>` where an answer goes as a value and `<text:key>` inside of a quoted text. The
text keeps its comments, because the owner edits it from then on. An answer becomes a TOML value, so
nothing that is typed can become a setting.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twotier.config.edit import value
from twotier.errors import UsageError

PLACE = re.compile(r"<(text:)?([a-z_]+)>")
SECRET_PLACE = re.compile(r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|keyring:.+)$")
NUMBER = re.compile(r"^\d+(\.\d+)?$")


TIER = re.compile(r'^tier = "([a-z-]+)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Ask:
    """One question. `kind`: text, secret (a place, never the secret), list (by commas), number.

    `setting` is `SECTION.KEY` of the main file that the answer is also for: asked only where it is
    not set yet. An empty `default` means that there must be an answer, unless it is `optional`.
    """

    key: str
    text: str
    kind: str = "text"
    default: str = ""
    like: str = ""
    example: str = ""
    setting: str = ""
    optional: bool = False

    def problem(self, answer: str) -> str:
        """What is wrong with an answer; empty if nothing is."""
        hint = f", such as {self.example}" if self.example else ""
        if not answer:
            return "" if self.optional else f"it needs an answer{hint}"
        if self.kind == "secret" and not SECRET_PLACE.match(answer):
            return (
                "name the place of the secret, never the secret: env:NAME, file:PATH, keyring:NAME"
            )
        if self.kind == "number" and not NUMBER.match(answer):
            return "a number, such as 15 or 0.5"
        if self.like and not re.fullmatch(self.like, answer):
            return f"{answer!r} does not fit{hint}"
        return ""

    def typed(self, answer: str) -> Any:
        """The answer as the value that stands in the file."""
        if self.kind == "list":
            return [part.strip() for part in answer.split(",") if part.strip()]
        if self.kind == "number":
            return float(answer) if "." in answer else int(answer)
        return answer


@dataclass(frozen=True, slots=True)
class Template:
    """A job that is ready but for the answers. `output_tokens` is what one run usually writes,
    `prompt_tokens` what it usually reads: both for the price that is told before it goes live.
    """

    name: str
    about: str
    job: str
    asks: Sequence[Ask]
    prompt_tokens: int
    output_tokens: int
    calls: int = 1

    @property
    def tier(self) -> str:
        """Who may serve it, as the job says; empty where that is an answer, or nothing is said."""
        said = TIER.search(self.job)
        return said[1] if said else ""


def read(name: str, text: str) -> Template:
    """The template of a file of ours. Its own mistakes are mistakes of the program."""
    raw = tomllib.loads(text)
    return Template(
        name=name,
        about=raw["about"],
        job=raw["job"],
        asks=[Ask(**one) for one in raw.get("ask", [])],
        prompt_tokens=raw["prompt_tokens"],
        output_tokens=raw["output_tokens"],
        calls=raw.get("calls", 1),
    )


def problems(
    template: Template, answers: Mapping[str, str], *, set_already: Collection[str]
) -> dict[str, str]:
    """What is missing or wrong, by the key of its question. `set_already`: settings the main file
    has.
    """
    known = {ask.key for ask in template.asks}
    wrong = {key: f"{template.name} does not ask this" for key in answers if key not in known}
    for ask in template.asks:
        if ask.setting and ask.setting in set_already and ask.key not in answers:
            continue
        if problem := ask.problem(answers.get(ask.key, ask.default)):
            wrong[ask.key] = problem
    return wrong


def checked(
    template: Template, answers: Mapping[str, str], *, set_already: Collection[str]
) -> list[str]:
    """The same, one sentence each."""
    texts = {ask.key: f" ({ask.text})" for ask in template.asks}
    found = problems(template, answers, set_already=set_already)
    return [f"{key}: {problem}{texts.get(key, '')}" for key, problem in found.items()]


def filled(template: Template, answers: Mapping[str, str], *, name: str) -> str:
    """The text of the job's file. A line whose one answer was left out is left out with it."""
    typed: dict[str, Any] = {"name": name}
    for ask in template.asks:
        answer = answers.get(ask.key, ask.default)
        typed[ask.key] = ask.typed(answer) if answer else None
    lines = (line_of(line, typed) for line in template.job.strip().splitlines())
    return "\n".join(line for line in lines if line is not None) + "\n"


def line_of(line: str, typed: Mapping[str, Any]) -> str | None:
    """One line with its answers; None where one of them was left out."""
    keys = [key for _, key in PLACE.findall(line)]
    if unknown := [key for key in keys if key not in typed]:
        raise UsageError(f"the template names <{unknown[0]}>, which it does not ask")
    if any(typed[key] is None for key in keys):
        return None
    return PLACE.sub(lambda match: placed(typed[match[2]], inside=bool(match[1])), line)


def placed(answer: Any, *, inside: bool) -> str:
    """As a TOML value; inside of a quoted text as part of it, which cannot end it."""
    return value(str(answer))[1:-1] if inside else value(answer)


def settings(
    template: Template, answers: Mapping[str, str], *, set_already: Collection[str]
) -> dict[tuple[str, str], Any]:
    """What goes into the main file: (section, key) and its value."""
    found: dict[tuple[str, str], Any] = {}
    for ask in template.asks:
        usual = "" if ask.setting in set_already else ask.default
        answer = answers.get(ask.key, usual)
        if ask.setting and answer:
            section, _, key = ask.setting.rpartition(".")
            found[section, key] = ask.typed(answer)
    return found
