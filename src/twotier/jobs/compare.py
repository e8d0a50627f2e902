"""Two answers to the same work, compared by what a program can see. Pure.

`checks` looks at one answer, the candidate, beside another one that did the same work, and what
both were given. Nothing here knows whether an answer is good; it knows what a good one never does:
say nothing, break its form, cite what was not there, invent figures, change the language, run away
or go round in circles. What passes is then judged (`judging`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from twotier.errors import NOT_READABLE
from twotier.verify.checks import Check
from twotier.verify.words import (
    REFERENCE,
    figures,
    is_known,
    phrases_of,
    script,
    some,
    tongue,
    urls,
    words_of,
)

LENGTH_FACTOR_MAX = 4.0
LENGTH_WORDS_MIN = 8  # shorter answers have no length worth comparing
LINE_REPEATS_MAX = 3
PHRASE_WORDS = 6
PHRASE_REPEATS_MAX = 4


@dataclass(frozen=True, slots=True)
class Given:
    """What both answers were made of: the job's prompt and, if there are any, the items' texts,
    names and links. `lines` is the number of lines that was asked for, 0 for free form; `typed`: a
    form in which fields may be left out was asked for, so they are not compared.
    """

    prompt: str
    sources: Sequence[str] = ()
    lines: int = 0
    typed: bool = False

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join((self.prompt, *self.sources))


def checks(candidate: str, *, other: str, given: Given, cut: bool = False) -> tuple[Check, ...]:
    """Everything that can be seen. `cut`: the candidate reached its output limit."""
    if not candidate.strip():
        return (Check("text", False, "it says nothing"),)
    found = (
        ("text", ""),
        ("form", form(candidate, "" if given.typed else other, lines=given.lines, cut=cut)),
        ("citations", citations(candidate, other, given=given)),
        ("numbers", numbers(candidate, other, given=given)),
        ("language", language(candidate, other)),
        ("length", length(candidate, other)),
        ("loop", loop(candidate)),
    )
    return tuple(Check(name, not wrong, wrong) for name, wrong in found)


def passed(found: Sequence[Check]) -> bool:
    """Whether all of them did."""
    return all(check.passed for check in found)


def alike(one: str, other: str) -> bool:
    """Whether both say the same, word for word or as JSON."""
    if one.strip() == other.strip():
        return True
    try:
        return bool(json.loads(one) == json.loads(other))
    except NOT_READABLE:
        return False


def form(candidate: str, other: str, *, lines: int, cut: bool) -> str:
    """What is wrong with its form: lines as asked, fields as the other one has them."""
    if cut:
        return "it reached the output limit and is not finished"
    count = sum(1 for line in candidate.splitlines() if line.strip())
    if lines and count != lines:
        return f"it has {count} lines, {lines} were asked for"
    wanted, there = fields_of(other), fields_of(candidate)
    if wanted is None or wanted == there:
        return ""
    if there is None:
        return "the other one is JSON, this one is not"
    missing = ", ".join(sorted(wanted - there)) or "none"
    return f"its fields differ; missing: {missing}"


def fields_of(text: str) -> frozenset[str] | None:
    """The fields of a JSON object, None for any other text."""
    try:
        found = json.loads(text)
    except NOT_READABLE:
        return None
    return frozenset(found) if isinstance(found, dict) else None


def citations(candidate: str, other: str, *, given: Given) -> str:
    """What it cites that was not given: addresses and `#12`. With nothing given (a job that looks
    things up by itself) there is nothing to hold it against.
    """
    if not given.sources:
        return ""
    known = f"{given.text}\n{other}"
    cited = dict.fromkeys([*urls(candidate), *REFERENCE.findall(candidate)])
    unknown = [one for one in cited if not is_known(one, known)]
    return f"cites what is not in the items: {some(unknown)}" if unknown else ""


def numbers(candidate: str, other: str, *, given: Given) -> str:
    """Figures of two digits and more that neither what was given nor the other answer has."""
    if not given.sources:
        return ""
    known = figures(f"{given.text}\n{other}")
    unknown = sorted(one for one in figures(candidate) - known if len(one) > 1)
    return f"figures that are not in the items: {some(unknown)}" if unknown else ""


def language(candidate: str, other: str) -> str:
    """Whether both are written in the same script, and the same language where that is clear."""
    for of in (script, tongue):
        mine, others = of(candidate), of(other)
        if mine and others and mine != others:
            return f"it is in {mine}, the other one in {others}"
    return ""


def length(candidate: str, other: str) -> str:
    """Whether one is many times as long as the other."""
    mine, others = len(words_of(candidate)), len(words_of(other))
    if max(mine, others) < LENGTH_WORDS_MIN:
        return ""
    factor = max(mine, 1) / max(others, 1)
    if 1 / LENGTH_FACTOR_MAX <= factor <= LENGTH_FACTOR_MAX:
        return ""
    return f"it has {mine} words, the other one {others}"


def loop(candidate: str) -> str:
    """Whether it goes round in circles: the same line, or the same six words, again and again."""
    lines = Counter(" ".join(line.split()) for line in candidate.splitlines() if line.strip())
    for line, count in lines.most_common(1):
        if count > LINE_REPEATS_MAX and len(line) > 1:
            return f"one line stands in it {count} times"
    phrases = Counter(phrases_of(words_of(candidate), PHRASE_WORDS))
    for _, count in phrases.most_common(1):
        if count > PHRASE_REPEATS_MAX:
            return f"the same {PHRASE_WORDS} words stand in it {count} times"
    return ""
