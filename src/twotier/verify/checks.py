"""Free looks at one answer: what a program can see that a good answer never does. Pure.

It says nothing, breaks off, has not the form that was asked for, calls a tool that is not there or
with what the tool does not take, cites what was not given, reckons wrongly, goes round in circles,
changes the language. What passes may still be wrong; what fails is worth nobody's reading. Each
look says what is wrong in one sentence, empty where nothing is, and says nothing where it is not
sure: a false alarm costs the frontier's price.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from typing import Any

from twotier.errors import NOT_READABLE
from twotier.protocols.json_schema import problems
from twotier.verify.words import (
    KEY,
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

PHRASE_WORDS = 6
PHRASE_REPEATS_MAX = 4
PHRASE_SHARE_MIN = 0.25  # of the words: boilerplate comes again, a circle is most of the text
ROW_REPEATS_MAX = 4  # of one line, in a row
TAIL_CHARACTERS = 400
PERIOD_CHARACTERS_MAX = 100
PERIODS_MIN = 4


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `detail` says what is wrong where it did not pass."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for. `sources` are the texts it was to work on, with their names and links;
    none where the model looked things up by itself. `lines` is the number of lines it must have, 0
    for free form. `schema` is the form of a JSON answer, `{}` for any object, None for free text.
    `tools` are the parameters of each tool by its name.
    """

    prompt: str
    sources: Sequence[str] = ()
    lines: int = 0
    schema: Mapping[str, Any] | None = None
    tools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All that was given."""
        return "\n".join((self.prompt, *self.sources))


@dataclass(frozen=True, slots=True)
class Said:
    """What came: the text, the calls as name and JSON text, and whether a limit cut it that whoever
    asked did not mean.
    """

    text: str
    calls: Sequence[tuple[str, str]] = ()
    cut: bool = False


Look = Callable[[Asked, Said], str]


def text(asked: Asked, said: Said) -> str:  # noqa: ARG001 - all looks are alike
    """It says something."""
    return "" if said.text.strip() or said.calls else "it says nothing"


def whole(asked: Asked, said: Said) -> str:  # noqa: ARG001
    """It is finished."""
    return "it reached the output limit and is not finished" if said.cut else ""


def form(asked: Asked, said: Said) -> str:
    """It has the form that was asked for; where it only calls tools, the form comes later."""
    if not said.text.strip() and said.calls:
        return ""
    if asked.schema is not None:
        return json_form(said.text, asked.schema)
    low, high = (asked.lines, asked.lines) if asked.lines else lines_asked(asked.prompt)
    count = sum(1 for line in said.text.splitlines() if line.strip())
    if not high or low <= count <= high:
        return ""
    wanted = f"{low}" if low == high else f"{low} to {high}"
    return f"it has {count} lines, {wanted} were asked for"


def json_form(answer: str, schema: Mapping[str, Any]) -> str:
    """What keeps it from being JSON of this form; any object where the schema says nothing."""
    try:
        value = json.loads(unfenced(answer))
    except NOT_READABLE:
        return "it is not JSON, as was asked for"
    if not schema:
        return "" if isinstance(value, dict) else "it is no JSON object, as was asked for"
    return "; ".join(problems(value, schema))


def unfenced(answer: str) -> str:
    """The text without a Markdown fence round it."""
    stripped = answer.strip()
    if stripped.startswith("```") and stripped.endswith("```") and "\n" in stripped:
        return stripped.removesuffix("```").partition("\n")[2].strip()
    return stripped


NUMERALS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMERAL = rf"(?:\d{{1,2}}|{'|'.join(NUMERALS)})"
LINES_ASKED = re.compile(
    rf"\b(?:in|into|as|exactly|with)\s+(?P<bound>(?:at most|up to|no more than|max\.?|exactly)\s+)?"
    rf"(?P<low>{NUMERAL})(?:\s*(?:-|to|or)\s*(?P<high>{NUMERAL}))?\s+"
    r"(?:short |full |plain )?lines?\b(?!\s+(?:of|or)\b)",
    re.IGNORECASE,
)
UPPER = ("at most", "up to", "no more than", "max", "max.")


def lines_asked(prompt: str) -> tuple[int, int]:
    """Fewest and most lines that the words ask for ("in three lines"); 0 and 0: they ask for none,
    or more than once.
    """
    found = list(LINES_ASKED.finditer(prompt))
    if len(found) != 1:
        return 0, 0
    low = numeral(found[0]["low"])
    high = numeral(found[0]["high"]) if found[0]["high"] else low
    upper = (found[0]["bound"] or "").strip().lower() in UPPER
    return (1 if upper else low), high


def numeral(word: str) -> int:
    """`3` or `three`."""
    return int(word) if word.isdecimal() else NUMERALS.index(word.lower()) + 1


def calls(asked: Asked, said: Said) -> str:
    """Its calls name tools that there are, with arguments these take."""
    for name, arguments in said.calls if asked.tools else ():
        if name not in asked.tools:
            return f"it calls {name}, which is no tool here"
        try:
            value = json.loads(arguments or "{}")
        except NOT_READABLE:
            return f"the arguments of {name} are not JSON"
        if wrong := problems(value, asked.tools[name]):
            return f"{name}: {'; '.join(wrong)}"
    return ""


def citations(asked: Asked, said: Said) -> str:
    """What it cites was given: addresses, `#12`, and keys like `ABC-12` where the sources have such
    ones. With nothing given there is nothing to hold it against.
    """
    if not asked.sources:
        return ""
    known = asked.text
    projects = {found[1] for found in KEY.finditer(known)}
    keys = [found[0] for found in KEY.finditer(said.text) if found[1] in projects]
    cited = dict.fromkeys([*urls(said.text), *REFERENCE.findall(said.text), *keys])
    unknown = [one for one in cited if not is_known(one, known)]
    return f"cites what is not in the items: {some(unknown)}" if unknown else ""


def numbers(asked: Asked, said: Said) -> str:
    """Its figures of two digits and more were given. What is counted or summed is not, so a job
    declares this one by itself.
    """
    if not asked.sources:
        return ""
    unknown = sorted(one for one in figures(said.text) - figures(asked.text) if len(one) > 1)
    return f"figures that are not in the items: {some(unknown)}" if unknown else ""


TERM = r"\d[\d,]*+(?:\.\d++)?+"
OPERATORS = {"x": "*", "×": "*", "·": "*", "÷": "/", "−": "-"}  # noqa: RUF001 - what people type
# A row of terms is taken whole, also where no equation follows: it is not read from each of them.
EQUATION = re.compile(
    rf"(?<![\w.^,])(?P<left>{TERM}(?:\s*+[-+*/×x·÷−]\s*+{TERM})++)(?:\s*+=\s*+(?P<right>-?{TERM})"  # noqa: RUF001
    r"(?![\w.,]*\d)(?!\s*[-+*/×÷^%(\\])(?!\s*x\s*\d))?"  # noqa: RUF001
)
EQUATION_CHARACTERS_MAX = 400  # a longer one is no arithmetic that a person checks
EQUATIONS_MAX = 500
BEFORE = frozenset("+-*/×·÷−^)}]%\\")  # noqa: RUF001 - then the left side is only a part of one


def arithmetic(asked: Asked, said: Said) -> str:  # noqa: ARG001
    """Plain equations in it (`12 * 3 = 36`) are right, as far as their digits go."""
    wrong = []
    equations = (one for one in EQUATION.finditer(said.text) if one["right"])
    for found in islice(equations, EQUATIONS_MAX):
        if len(found[0]) > EQUATION_CHARACTERS_MAX:
            continue
        start = found.start()
        before = said.text[max(0, start - EQUATION_CHARACTERS_MAX) : start].rstrip()[-1:]
        if before not in BEFORE and not holds(found["left"], found["right"]):
            wrong.append(" ".join(found[0].split()))
    return f"reckons wrongly: {some(wrong)}" if wrong else ""


def holds(left: str, right: str) -> bool:
    """Whether two sides are the same, as far as the digits of the right one go."""
    value = reckoned(left)
    if value is None:
        return True
    digits = len(right.partition(".")[2])
    # A whole number for a quotient may be its whole part.
    within = Fraction(1, 10**digits) if "/" in plain_operators(left) else Fraction(1, 10**9)
    within = max(within, Fraction(1, 10**digits) if digits else Fraction(0))
    return abs(value - number(right)) < within


def reckoned(left: str) -> Fraction | None:
    """The value of numbers joined by operators; None where it divides by 0."""
    pieces = re.findall(rf"{TERM}|[-+*/]", plain_operators(left))
    total, factor, sign, operator = Fraction(0), number(pieces[0]), 1, ""
    for operator, term in zip(pieces[1::2], map(number, pieces[2::2]), strict=True):
        if operator == "*":
            factor *= term
        elif operator == "/":
            if not term:
                return None
            factor /= term
        else:
            total += sign * factor
            factor, sign = term, 1 if operator == "+" else -1
    return total + sign * factor


def plain_operators(left: str) -> str:
    """The same with the four operators of a keyboard."""
    return "".join(OPERATORS.get(sign, sign) for sign in left)


def number(written: str) -> Fraction:
    """A number without its marks of thousands."""
    return Fraction(written.replace(",", ""))


def loop(asked: Asked, said: Said) -> str:  # noqa: ARG001
    """It does not go round in circles."""
    return circles(said.text)


def circles(answer: str) -> str:
    """Whether the same comes again and again: at its end, as one line, or as a phrase that is much
    of it. Code and tables repeat lines, so only what is most of a text counts.
    """
    if period := tail_period(answer):
        return f"it ends in the same {period} characters again and again"
    lines = [" ".join(line.split()) for line in answer.splitlines() if line.strip()]
    row = longest_row(lines)
    if row > ROW_REPEATS_MAX:
        return f"one line stands in it {row} times in a row"
    words = words_of(answer)
    phrases = Counter(phrases_of(words, PHRASE_WORDS))
    for _, count in phrases.most_common(1):
        if count > PHRASE_REPEATS_MAX and count * PHRASE_WORDS > PHRASE_SHARE_MIN * len(words):
            return f"the same {PHRASE_WORDS} words stand in it {count} times"
    return ""


def longest_row(lines: Sequence[str]) -> int:
    """The most times that one line follows itself; rulers and brackets do not count."""
    best = here = 0
    before = ""
    for line in lines:
        here = here + 1 if line == before else 1
        before = line
        best = max(best, here if any(map(str.isalnum, line)) else 0)
    return best


def tail_period(answer: str) -> int:
    """The length of what the end of a text consists of, time after time; 0 where it does not.

    A ruler or a run of blanks is no circle before it fills the whole tail.
    """
    tail = answer[-TAIL_CHARACTERS:]
    for period in range(1, min(PERIOD_CHARACTERS_MAX, len(tail) // PERIODS_MIN) + 1):
        if tail[period:] == tail[:-period] and len(tail) == TAIL_CHARACTERS:
            return period
    return 0


LANGUAGES = re.compile(
    r"translat|übersetz|traduc|tradui|tradurre|vertaal|\b(?:english|german|deutsch|french|français"
    r"|spanish|español|italian|italiano|portuguese|português|dutch|nederlands|chinese|japanese"
    r"|russian|korean|arabic|language|sprache|langue|idioma|lingua|taal|englisch|französisch"
    r"|spanisch|anglais|inglés)\b",
    re.IGNORECASE,
)


def language(asked: Asked, said: Said) -> str:
    """It is in the language of the prompt or of what was given, where all of that is clear and
    nobody spoke of languages.
    """
    if LANGUAGES.search(asked.prompt):
        return ""
    for of in (script, tongue):
        mine = of(said.text)
        given = {found for one in (asked.prompt, "\n".join(asked.sources)) if (found := of(one))}
        if mine and given and mine not in given:
            return f"it is in {mine}, and it was asked in {' and '.join(sorted(given))}"
    return ""


LOOKS: Mapping[str, Look] = {
    "text": text,
    "whole": whole,
    "form": form,
    "calls": calls,
    "citations": citations,
    "arithmetic": arithmetic,
    "loop": loop,
    "language": language,
}
MORE: Mapping[str, Look] = {"numbers": numbers}  # looks that a job has to ask for
# Of a request whose whole task nobody knows: what is of no use, whatever it was for.
PLAIN = ("text", "whole", "form", "calls", "loop")


def look(asked: Asked, said: Said, *, names: Sequence[str] = tuple(LOOKS)) -> tuple[Check, ...]:
    """What was looked at, in this order. An empty answer is looked at no further."""
    looks = {**LOOKS, **MORE}
    found = []
    for name in names:
        wrong = looks[name](asked, said)
        found.append(Check(name, not wrong, wrong))
        if wrong and name == "text":
            break
    return tuple(found)


def failed(found: Sequence[Check]) -> str:
    """What is wrong, in one sentence; empty where all passed."""
    return "; ".join(check.detail for check in found if not check.passed)
