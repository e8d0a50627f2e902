"""JSON as models write it: single quotes, commas too many, Python's words, a brace too few.

Good JSON is read by the standard decoder. Only what it refuses goes the slow way, which is one pass
too. What cannot be guessed is refused: a string without its end, a number that is none. So is what
is nested deeper than arguments are: schemas that refer to themselves take twice the time per level.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from twotier.errors import NOT_READABLE

DEPTH_MAX = 12
_BLANK = re.compile(r"(?:\s|//[^\n]*(?=\n))*")
_WORD = re.compile(r"[A-Za-z_][\w\-]*")
_NUMBER = re.compile(r"-?\d+(?:\.\d*)?(?:[eE][+\-]?\d+)?")
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "'": "'"}
_ESCAPES |= {"\\": "\\", "/": "/", "\n": ""}
_HEX = re.compile(r"[0-9a-fA-F]{4}")
# Up to what ends a string or has to be looked at.
_RUNS = {quote: re.compile(rf"[^{quote}\\]*") for quote in "\"'"}


class BrokenJsonError(ValueError):
    """It is no JSON, and cannot be read as if it were."""


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise BrokenJsonError(f"{text} is too large a number")
    return number


def _no_constant(name: str) -> Any:
    raise BrokenJsonError(f"{name} is no JSON number")


_decoder = json.JSONDecoder(strict=False, parse_float=_finite, parse_constant=_no_constant)


def strict(text: str) -> Any:
    """The value of a text that is JSON and nothing else: `NaN` and `Infinity` are Python's alone.

    Raises `ValueError`, and `RecursionError` for what is nested too deep.
    """
    return json.loads(text, parse_constant=_no_constant)


def read_value(text: str, at: int) -> tuple[Any, int, bool, bool]:
    """The value that begins at `at`, where it ends, whether it was JSON, whether all of it came.

    Raises `BrokenJsonError`.
    """
    try:
        value, end = _decoder.raw_decode(text, at)
    except NOT_READABLE:
        reader = _Reader(text, at)
        value = reader.value(0)
        return value, reader.at, False, reader.closed
    if _deep(value):
        raise BrokenJsonError("it is nested too deep")
    return value, end, True, True


def _deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEPTH_MAX + 1):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


class _Reader:
    """One pass over a value that is almost JSON."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at
        self.closed = True

    def value(self, depth: int) -> Any:
        """The value here."""
        if depth > DEPTH_MAX:
            raise BrokenJsonError("it is nested too deep")
        match self.here():
            case "{":
                return self.mapping(depth)
            case "[":
                return self.sequence(depth)
            case '"' | "'":
                return self.string()
        return self.scalar()

    def here(self) -> str:
        """The next character that is not blank, empty at the end."""
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.text[self.at : self.at + 1]

    def mapping(self, depth: int) -> dict[str, Any]:
        """An object."""
        found: dict[str, Any] = {}
        self.at += 1
        while not self.over("}"):
            key = self.string() if self.here() in ('"', "'") else self.word()
            if self.here() != ":":
                raise BrokenJsonError(f"after {key!r} a colon is missing")
            self.at += 1
            found[key] = self.value(depth + 1)
            self.comma("}")
        return found

    def sequence(self, depth: int) -> list[Any]:
        """An array."""
        found: list[Any] = []
        self.at += 1
        while not self.over("]"):
            found.append(self.value(depth + 1))
            self.comma("]")
        return found

    def over(self, closing: str) -> bool:
        """Pass over the end; at the end of the text it is missing, and taken for granted."""
        here = self.here()
        self.closed = self.closed and bool(here)
        self.at += here == closing
        return here in (closing, "")

    def comma(self, closing: str) -> None:
        """Between two of them a comma stands, perhaps more than one."""
        commas = 0
        while self.here() == ",":
            self.at += 1
            commas += 1
        if not commas and self.here() not in (closing, ""):
            raise BrokenJsonError("between two values a comma is missing")

    def string(self) -> str:
        """A string in either quotes."""
        quote = self.text[self.at]
        self.at += 1
        pieces: list[str] = []
        while True:
            end = self.run(_RUNS[quote], pieces)
            if end == quote:
                return _paired("".join(pieces))
            if not end:
                raise BrokenJsonError("a string has no end")
            pieces.append(self.escape())

    def run(self, pattern: re.Pattern[str], pieces: list[str]) -> str:
        """Take all that is plain; the character that ended it is passed over."""
        found = pattern.match(self.text, self.at)
        stop = found.end() if found else self.at
        pieces.append(self.text[self.at : stop])
        self.at = stop + 1
        return self.text[stop : stop + 1]

    def escape(self) -> str:
        """What stands after a backslash; one before another letter means itself."""
        letter = self.text[self.at : self.at + 1]
        self.at += 1
        if letter == "u" and (code := _HEX.match(self.text, self.at)):
            self.at = code.end()
            return chr(int(code[0], 16))
        return _ESCAPES.get(letter, f"\\{letter}")

    def word(self) -> str:
        """A key without quotes."""
        found = _WORD.match(self.text, self.at)
        if found is None:
            raise BrokenJsonError("a key is missing")
        self.at = found.end()
        return found[0]

    def scalar(self) -> Any:
        """A number, or true, false, null in JSON's words or Python's."""
        if found := _NUMBER.match(self.text, self.at):
            self.at = found.end()
            if self.at == len(self.text):
                raise BrokenJsonError("a number has no end")
            return _number(found[0])
        word = self.word()
        if word not in _WORDS:
            raise BrokenJsonError(f"{word} is no value")
        return _WORDS[word]


def _paired(text: str) -> str:
    """Halves of a surrogate pair that stand together are one character."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _number(text: str) -> int | float:
    try:
        return _finite(text) if set(text) & set(".eE") else int(text)
    except ValueError as exc:  # thousands of digits
        raise BrokenJsonError(str(exc)) from exc
