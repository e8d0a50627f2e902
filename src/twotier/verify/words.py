"""What a program can see of a text without understanding it: what it cites, its figures, its
language, and whether it goes round in circles. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

LETTERS_LOOKED_AT = 2_000
SCRIPT_SHARE_MIN = 0.5
STOP_WORDS_MIN = 3

URL = re.compile(r"https?://[^\s<>\"'`\])}]+", re.IGNORECASE)
REFERENCE = re.compile(r"(?<![\w&])#\d+\b")
KEY = re.compile(r"\b([A-Z][A-Z0-9]{1,9})-\d+\b")
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


def urls(text: str) -> list[str]:
    """The addresses in a text, without the punctuation that follows them."""
    return [found.rstrip(ENDS) for found in URL.findall(text)]


def is_known(cited: str, known: str) -> bool:
    """Whether it stands there, and not only as the beginning of another one."""
    return re.search(rf"{re.escape(cited)}(?!\w)", known) is not None


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


def phrases_of(words: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    """Each run of so many words."""
    for begin in range(len(words) - size + 1):
        yield tuple(words[begin : begin + size])
