"""Two answers to the same work, compared by what a program can see. Pure.

`checks` looks at one answer, the candidate, beside another one that did the same work, and what
both were given. Nothing here knows whether an answer is good; it knows what a good one never does:
say nothing, break its form, cite what was not there, invent figures, change the language, run away
or go round in circles. What passes is then judged (`judging`).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LENGTH_FACTOR_MAX = 4.0
LENGTH_WORDS_MIN = 8  # shorter answers have no length worth comparing
LINE_REPEATS_MAX = 3
PHRASE_WORDS = 6
PHRASE_REPEATS_MAX = 4
LETTERS_LOOKED_AT = 2_000
SCRIPT_SHARE_MIN = 0.5
STOP_WORDS_MIN = 3

URL = re.compile(r"https?://[^\s<>\"'`\])}]+", re.IGNORECASE)
REFERENCE = re.compile(r"(?<![\w&])#\d+\b")
NUMBER = re.compile(r"(?<![\w.,#/-])\d[\d.,'\u202f\u00a0]*(?:\d|\b)")
DECIMALS = re.compile(r"^(.*)[.,](\d{1,2})$")
LIST_MARK = re.compile(r"^\s*\d{1,2}[.)]\s")
ENDS = ".,;:!?)"

# Of each language words that others hardly have. Enough to tell which of these a text is in.
STOP_WORDS = {
    "english": "the and of to is that with for are was this from not have",
    "german": "der die und das ist nicht mit ein eine den auf von zu wird",
    "french": "le les et des est une dans pour pas que sur avec du sont",
    "spanish": "el los y las del una por con para como pero está son que",
    "italian": "il che di e una per non con sono della gli nel ha più",
    "portuguese": "o os que não uma com para do da em por mais foi são",
    "dutch": "het een en van is niet met voor zijn op dat wordt aan bij",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `detail` says what is wrong where it did not pass."""

    name: str
    passed: bool
    detail: str = ""


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
    except ValueError:
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
    except ValueError:
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


def urls(text: str) -> list[str]:
    """The addresses in a text, without the punctuation that follows them."""
    return [found.rstrip(ENDS) for found in URL.findall(text)]


def is_known(cited: str, known: str) -> bool:
    """Whether it stands there, and not only as the beginning of another one."""
    return re.search(rf"{re.escape(cited)}(?!\w)", known) is not None


def numbers(candidate: str, other: str, *, given: Given) -> str:
    """Figures of two digits and more that neither what was given nor the other answer has."""
    if not given.sources:
        return ""
    known = figures(f"{given.text}\n{other}")
    unknown = sorted(one for one in figures(candidate) - known if len(one) > 1)
    return f"figures that are not in the items: {some(unknown)}" if unknown else ""


def figures(text: str) -> set[str]:
    """The numbers of a text, however they are written: 1,200.50 and 1.200,5 are the same."""
    lines = (LIST_MARK.sub("", line) for line in URL.sub(" ", text).splitlines())
    return {plain(number) for line in lines for number in NUMBER.findall(line)}


def plain(number: str) -> str:
    """A number without the marks of thousands, and without zeros that say nothing."""
    match = DECIMALS.match(number)
    whole, decimals = (match[1], match[2].rstrip("0")) if match else (number, "")
    digits = re.sub(r"\D", "", whole).lstrip("0") or "0"
    return f"{digits}.{decimals}" if decimals else digits


def some(found: Sequence[str]) -> str:
    """The first three."""
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return ", ".join(found[:3]) + more


def language(candidate: str, other: str) -> str:
    """Whether both are written in the same script, and the same language where that is clear."""
    for of in (script, tongue):
        mine, others = of(candidate), of(other)
        if mine and others and mine != others:
            return f"it is in {mine}, the other one in {others}"
    return ""


def script(text: str) -> str:
    """The script that most letters are of (`latin`, `cyrillic`, `cjk`); empty where none is."""
    letters = [letter for letter in text[:LETTERS_LOOKED_AT] if letter.isalpha()]
    names = Counter(unicodedata.name(letter, "?").partition(" ")[0].lower() for letter in letters)
    for name, count in names.most_common(1):
        if count / len(letters) > SCRIPT_SHARE_MIN:
            return name
    return ""


def tongue(text: str) -> str:
    """The language whose small words it has, empty where that is not clear."""
    words = Counter(words_of(text))
    counts = {
        name: sum(words[word] for word in known.split()) for name, known in STOP_WORDS.items()
    }
    (first, most), (_, second) = Counter(counts).most_common(2)
    return first if most >= STOP_WORDS_MIN and most > 1.5 * second else ""


def words_of(text: str) -> list[str]:
    """Its words, in small letters."""
    return re.findall(r"\w+", text.lower())


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
    phrases = Counter(phrases_of(words_of(candidate)))
    for _, count in phrases.most_common(1):
        if count > PHRASE_REPEATS_MAX:
            return f"the same {PHRASE_WORDS} words stand in it {count} times"
    return ""


def phrases_of(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Each run of so many words."""
    for begin in range(len(words) - PHRASE_WORDS + 1):
        yield tuple(words[begin : begin + PHRASE_WORDS])
