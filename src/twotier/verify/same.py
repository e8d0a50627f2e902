"""Do two answers say the same? Only for answers that can be compared: numbers, JSON, yes or no, a
letter of several, a few words, a short list. Pure.

The rest, prose and code, cannot be compared by a program, and nothing is said of it. Two answers
that were made apart and agree are right far more often than either alone; where they do not, one
of them is wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from twotier.verify.checks import unfenced

SHORT_CHARACTERS_MAX = 60
SHORT_WORDS_MAX = 8
LIST_LINES_MAX = 20
LEAF_WORDS_MAX = 6
LEAVES_MAX = 60


class Kind(StrEnum):
    """What of an answer is compared."""

    NUMBER = "number"
    JSON = "JSON"
    YES_NO = "yes or no"
    CHOICE = "choice"
    LIST = "list"
    WORDS = "words"


@dataclass(frozen=True, slots=True)
class Value:
    """What an answer comes to, in a form that is the same for all ways to write it."""

    kind: Kind
    value: Any

    def says(self, other: Value) -> bool:
        """Whether both come to the same; one number may be the other one, rounded."""
        if self.kind is not other.kind:
            return False
        if self.kind is Kind.NUMBER:
            return alike(self.value, other.value)
        return bool(self.value == other.value)


def value_of(answer: str, *, prompt: str = "", structured: bool = False) -> Value | None:
    """What it comes to; None where it cannot be compared. `structured`: JSON was asked for."""
    text = unfenced(answer)
    if (found := of_json(text, structured=structured)) is not None:
        return found
    if structured:
        return None
    if (ending := marked(text)) and (found := of_words(ending)) is not None:
        return found
    words = of_words(short(text))
    if words is not None and words.kind is not Kind.WORDS:
        return words
    return of_yes_no(text) or of_list(text) or of_last_number(text, prompt) or words


# -- JSON

ANSWER_FIELDS = ("answer", "final_answer", "result", "verdict", "label", "category", "value")


def of_json(text: str, *, structured: bool) -> Value | None:
    """JSON whose leaves can be compared; of an object with prose beside an answer, the answer."""
    if not text.startswith(("{", "[")) and not structured:
        return None
    try:
        found = json.loads(text, parse_constant=no_constant)
        if comparable(found):
            return Value(Kind.JSON, normal(found))
    except (ValueError, OverflowError, RecursionError):
        return None
    answers = [found[name] for name in ANSWER_FIELDS if name in found] if is_object(found) else []
    if answers and comparable(answers[0]):
        leaf = answers[0]
        words = of_words(leaf) if isinstance(leaf, str) else None
        return words or Value(Kind.JSON, normal(leaf))
    return None


def no_constant(name: str) -> Any:
    """`NaN` and `Infinity` are Python's alone."""
    raise ValueError(f"{name} is no JSON")


def is_object(found: Any) -> bool:
    """Whether it is a JSON object."""
    return isinstance(found, dict)


def comparable(found: Any) -> bool:
    """Whether all its leaves are figures, words or truths, and there are not too many of them."""
    leaves = list(leaves_of(found))
    return len(leaves) <= LEAVES_MAX and all(
        not isinstance(leaf, str) or len(leaf.split()) <= LEAF_WORDS_MAX for leaf in leaves
    )


def leaves_of(found: Any) -> Iterator[Any]:
    """The values of a JSON value that hold no others. By a list of what is left, because a model
    may nest deeper than Python calls.
    """
    left = [found]
    while left:
        one = left.pop()
        if isinstance(one, Mapping):
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
        else:
            yield one


def normal(found: Any) -> Any:
    """The same for every way to write it: the order of fields, spaces, capitals, 1 and 1.0."""
    if isinstance(found, Mapping):
        return tuple(sorted((str(name), normal(value)) for name, value in found.items()))
    if isinstance(found, list):
        return tuple(map(normal, found))
    if isinstance(found, bool) or found is None:
        return (str(type(found)), str(found))
    if isinstance(found, int | float):
        return ("number", str(Fraction(found).limit_denominator(10**9)))
    return ("text", folded(str(found)))


# -- words

MARKS = re.compile(
    r"(?:####|\b(?:final answer|the answer is|answer)\b\s*(?:is)?\s*:?)\s*(?P<rest>[^\n]+)",
    re.IGNORECASE,
)
BOXED = re.compile(r"\\boxed\{")
FRACTION = re.compile(r"\\[dt]?frac\{([^{}]+)\}\{([^{}]+)\}")
DRESS = re.compile(r"\\(?:text|mathrm|mathbf|left|right|[,;!$%])|[$*_`\"'{}]|\\[()\[\]]")


def marked(text: str) -> str:
    """What stands in the last box or behind the last mark of an answer; empty where none is."""
    if boxes := list(BOXED.finditer(text)):
        return braced(text[boxes[-1].end() :])
    found = list(MARKS.finditer(text))
    return found[-1]["rest"] if found and len(found[-1]["rest"]) <= SHORT_CHARACTERS_MAX else ""


def braced(rest: str) -> str:
    """What stands before the brace that closes the one in front of it."""
    depth = 1
    for at, sign in enumerate(rest):
        depth += (sign == "{") - (sign == "}")
        if not depth:
            return rest[:at]
    return ""


def short(text: str) -> str:
    """The text itself where it is only a few words."""
    few = len(text) <= SHORT_CHARACTERS_MAX and len(text.split()) <= SHORT_WORDS_MAX
    return text if few and "\n" not in text else ""


def of_words(ending: str) -> Value | None:
    """A number, a yes, a letter, or the words as they are."""
    plain = folded(FRACTION.sub(r"(\1)/(\2)", ending))
    if (number := number_of(plain)) is not None:
        return Value(Kind.NUMBER, number)
    if (yes := YES.get(plain)) is not None:
        return Value(Kind.YES_NO, yes)
    if found := LETTER.fullmatch(plain):
        return Value(Kind.CHOICE, found["letter"])
    return Value(Kind.WORDS, plain) if plain else None


def folded(text: str) -> str:
    """Without dress, capitals, ends and needless spaces."""
    return " ".join(DRESS.sub("", text).split()).lstrip(",;:!").rstrip(".,;:!").casefold()


YES = {
    **dict.fromkeys(("yes", "true", "correct", "ja", "oui", "sí", "si", "sim"), True),
    **dict.fromkeys(("no", "false", "incorrect", "nein", "non", "não", "nee"), False),
}
LETTER = re.compile(r"\(?(?:option |choice )?(?P<letter>[a-h])\)?")
YES_FIRST = re.compile(r"[\s*_`\"']*+(?P<word>[^\W\d_]++)[\s*_`\"']*(?:[,.:;!\n-]|$)")


def of_yes_no(text: str) -> Value | None:
    """A yes or no with its reasons behind it."""
    found = YES_FIRST.match(text)
    yes = YES.get(found["word"].casefold()) if found else None
    return None if yes is None else Value(Kind.YES_NO, yes)


# -- lists

BULLET = re.compile(r"^\s*[-*•]\s+")
NUMBERED = re.compile(r"^\s*\d{1,2}[.)]\s+")


def of_list(text: str) -> Value | None:
    """A list of a few words each: with numbers its order counts, with bullets it does not."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not 2 <= len(lines) <= LIST_LINES_MAX:
        return None
    for mark, ordered in ((BULLET, False), (NUMBERED, True)):
        if not all(map(mark.match, lines)):
            continue
        items = [folded(mark.sub("", line)) for line in lines]
        if any(len(item.split()) > LEAF_WORDS_MAX for item in items):
            return None
        return Value(Kind.LIST, tuple(items if ordered else sorted(items)))
    return None


# -- numbers

NUMBER = re.compile(
    r"(?P<sign>[-+−]?)\s*+(?:[€£$]|usd|eur)?+\s*+(?P<digits>\d[\d,]*(?:\.\d+)?|\.\d+)"  # noqa: RUF001
    r"\s*(?P<unit>%|[^\W\d]{1,12}(?:\s[^\W\d]{1,12})?)?"
)
RATIO = re.compile(r"(?P<sign>-?)\(?(?P<above>-?\d+)\)?\s*/\s*\(?(?P<below>\d+)\)?")
ASKS_NUMBER = re.compile(
    r"\b(?:how (?:many|much|old|far|long|tall)|what is the (?:total|sum|number|average|value)"
    r"|calculate|compute|wie ?viele?|combien|cuánt\w+)\b",
    re.IGNORECASE,
)
IN_TEXT = re.compile(r"(?<![\w.])[-−]?[$€£]?\d[\d,]*(?:\.\d+)?(?![\w])")  # noqa: RUF001
NUMBER_CHARACTERS_MAX = 400  # Python reads no integer of thousands of digits, nor does a person
UNIT_CHARACTERS_MAX = 3  # a measure ("km", "%"); longer words only say what is counted
# The value, the digits behind its point (-1: it is exact), and its measure where it has one.
Number = tuple[Fraction, int, str]


def number_of(plain: str) -> Number | None:
    """A number that is the whole of a text, with or without a unit."""
    if len(plain) > NUMBER_CHARACTERS_MAX:
        return None
    if found := RATIO.fullmatch(plain):
        below = int(found["below"])
        sign = -1 if found["sign"] else 1
        return (sign * Fraction(int(found["above"]), below), -1, "") if below else None
    found = NUMBER.fullmatch(plain)
    if found is None:
        return None
    digits = found["digits"].replace(",", "")
    value = Fraction(f"0{digits}" if digits.startswith(".") else digits)
    value = -value if found["sign"] in ("-", "−") else value  # noqa: RUF001
    unit = found["unit"] or ""
    measure = unit if len(unit) <= UNIT_CHARACTERS_MAX else ""
    return value, len(digits.partition(".")[2]) or -1, measure


def alike(one: Number, other: Number) -> bool:
    """Whether two numbers are the same, or one is the other rounded to its own digits."""
    if one[2] and other[2] and one[2] != other[2]:
        return False
    if one[0] == other[0]:
        return True
    digits = [number[1] for number in (one, other) if number[1] > 0]
    if not digits or min(digits) < 2:
        return False
    return abs(one[0] - other[0]) <= Fraction(1, 2 * 10 ** min(digits))


def of_last_number(text: str, prompt: str) -> Value | None:
    """Where a number was asked for, the last one that is told."""
    if not ASKS_NUMBER.search(prompt):
        return None
    found = IN_TEXT.findall(text)
    number = number_of(folded(found[-1])) if found else None
    return None if number is None else Value(Kind.NUMBER, number)
