"""Reads JSON5: JSON with comments, trailing commas, bare names and single quotes. Pure.

Strict: what the grammar does not know is an error with its line and column, never a guess.
Bounded: the time is linear in the text, and what is nested deeper than anybody writes is refused.
Numbers are those of JavaScript, so a whole number too large for one becomes a float. Half of a
character that was cut in two (a lone surrogate) becomes U+FFFD, because nobody could store it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from twotier.errors import ConfigError

DEPTH_MAX = 100
WHOLE_MAX = 2**53  # from here on JavaScript's numbers are no longer exact
SPACES = "\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
ENDS = "\n\r\u2028\u2029"
GAP = re.compile(rf"(?:[{SPACES}]++|//[^{ENDS}]*+|/\*(?s:.*?)\*/)*+")
NAME = re.compile(r"(?:[\w$\u200c\u200d]|\\u[0-9A-Fa-f]{4})++")
NUMBER = re.compile(
    r"[+-]?(?:Infinity|NaN|0[xX][0-9A-Fa-f]+"
    r"|(?:(?:0|[1-9][0-9]*+)(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?)(?![\w$.])"
)
PLAIN = {quote: re.compile(rf"[^\\\n\r{quote}]*+") for quote in "\"'"}
DIGITS = frozenset("0123456789")
WORDS = {"true": True, "false": False, "null": None}
ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "0": "\0"}
HEX = {"x": re.compile(r"[0-9A-Fa-f]{2}"), "u": re.compile(r"[0-9A-Fa-f]{4}")}
ESCAPED_NAME = re.compile(r"\\u([0-9A-Fa-f]{4})")


def read(text: str, *, source: str) -> Any:
    """The value of a text, as JSON's own reader gives it. `source` is named in errors.

    Raises `ConfigError`.
    """
    return _Reader(text, source).document()


class _Reader:
    """One text, and how far it was read."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.at = 0
        self.depth = 0

    def document(self) -> Any:
        """All of it."""
        found = self.value()
        self.gap()
        if self.at < len(self.text):
            raise self.wrong("there is more behind the end")
        return found

    def value(self) -> Any:
        """What begins here."""
        match self.next():
            case "{":
                return self.inside(self.table)
            case "[":
                return self.inside(self.row)
            case '"' | "'":
                return self.string()
            case "":
                raise self.wrong("it ends where a value should stand")
        if number := NUMBER.match(self.text, self.at):
            self.at = number.end()
            return number_of(number[0])
        word = NAME.match(self.text, self.at)
        if word is None or word[0] not in WORDS:
            raise self.wrong("no value stands here; a text needs quotes")
        self.at = word.end()
        return WORDS[word[0]]

    def inside(self, read_on: Callable[[], Any]) -> Any:
        """A table or a list, one level deeper."""
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise self.wrong(f"it is nested more than {DEPTH_MAX} deep")
        self.at += 1
        found = read_on()
        self.depth -= 1
        return found

    def table(self) -> dict[str, Any]:
        """Names and values up to the brace; of a name that comes twice the last one counts."""
        found: dict[str, Any] = {}
        while self.next() != "}":
            name = self.name()
            if self.next() != ":":
                raise self.wrong("a colon is missing behind a name")
            self.at += 1
            found[name] = self.value()
            self.comma("}")
        self.at += 1
        return found

    def row(self) -> list[Any]:
        """Values up to the bracket."""
        found: list[Any] = []
        while self.next() != "]":
            found.append(self.value())
            self.comma("]")
        self.at += 1
        return found

    def comma(self, end: str) -> None:
        """Over a comma, or not past the end."""
        mark = self.next()
        if mark == ",":
            self.at += 1
        elif mark != end:
            raise self.wrong(f"a comma or {end} is missing")

    def name(self) -> str:
        """A name, in quotes or bare."""
        if self.next() in ('"', "'"):
            return self.string()
        found = NAME.match(self.text, self.at)
        if found is None or found[0][0] in DIGITS:
            raise self.wrong("no name stands here")
        self.at = found.end()
        return whole(ESCAPED_NAME.sub(lambda match: chr(int(match[1], 16)), found[0]))

    def string(self) -> str:
        """A text in its quotes."""
        quote, begin = self.text[self.at], self.at
        self.at += 1
        parts: list[str] = []
        while True:
            plain = PLAIN[quote].match(self.text, self.at)
            parts.append(plain[0] if plain else "")
            self.at += len(parts[-1])
            mark = self.text[self.at : self.at + 1]
            if mark == quote:
                self.at += 1
                return whole("".join(parts))
            if mark != "\\":
                self.at = begin
                raise self.wrong("a text does not end on its line")
            parts.append(self.escape())

    def escape(self) -> str:
        """What a backslash begins."""
        mark = self.text[self.at + 1 : self.at + 2]
        self.at += 2
        if mark in HEX:
            digits = HEX[mark].match(self.text, self.at)
            if digits is None:
                raise self.wrong(f"\\{mark} needs hexadecimal digits")
            self.at = digits.end()
            return chr(int(digits[0], 16))
        if mark == "\r" and self.text[self.at : self.at + 1] == "\n":
            self.at += 1
        if mark in ENDS:  # the line goes on; also at the very end, which the caller finds
            return ""
        if mark in DIGITS and (mark != "0" or self.text[self.at : self.at + 1] in DIGITS):
            raise self.wrong(f"\\{mark} is no escape")
        return ESCAPES.get(mark, mark)

    def next(self) -> str:
        """The next mark that counts, empty at the end."""
        self.gap()
        return self.text[self.at : self.at + 1]

    def gap(self) -> None:
        """Over white space and comments."""
        found = GAP.match(self.text, self.at)
        self.at = found.end() if found else self.at  # it fits everywhere, if only nothing

    def wrong(self, what: str) -> ConfigError:
        """Where and what; never a piece of the text, which may be a key somebody pasted in."""
        read_so_far = self.text[: self.at]
        line = read_so_far.count("\n") + 1
        column = self.at - (read_so_far.rfind("\n") + 1) + 1
        return ConfigError(f"{self.source}, line {line}, column {column}: {what}")


def number_of(text: str) -> int | float:
    """A number as JavaScript has it."""
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if digits[:2] in ("0x", "0X"):
        found: int | float = int(digits, 16)
    elif digits.isdigit() and len(digits) < len(str(WHOLE_MAX)):
        found = int(digits)
    else:
        found = float(digits.replace("Infinity", "inf"))
    if isinstance(found, int) and found > WHOLE_MAX:
        found = float(found) if found.bit_length() < 1_024 else float("inf")
    return sign * found


def whole(text: str) -> str:
    """The two halves of a character joined; a half alone becomes U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
