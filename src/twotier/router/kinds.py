"""What kind of work a text asks for: a small linear classifier, and "don't know" is an answer.

Words, pairs of words and pieces of words (four characters; of scripts without spaces one and two)
are hashed into a table of weights, one for each kind; a softmax over their sums says how likely
each kind is. How often the work comes has weights of its own, so that what everybody knows who
looks at a schedule counts beside the words. `tools/train_kinds.py` makes the weights from texts
that were written for it; the fifth kind, `unknown`, was learned too: greetings, "go on", names.

Only the beginning is read. Whoever calls hands in the owner's own words and nothing else: what
came from outside has no say in where work goes.

Pure; a guess takes about 0.2 ms and is remembered, because the steps of a run ask for the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from math import exp, sqrt
from struct import iter_unpack
from zlib import crc32, decompress

import msgspec

KINDS = ("polling", "read-report", "bulk-write", "frontier-reasoning", "unknown")
LOCAL = 2  # so many of them, the first, are work for a local tier
BUCKETS = 1 << 14
TEXT_CHARS = 600
FEATURES_FEW = 10
# How often it comes: nobody waits for the next one, a job that nobody knows the period of, and the
# periods up to these seconds; the last one has no end.
PERIODS_SECONDS = (900.0, 3_600.0, 21_600.0, 72_000.0, 172_800.0)
TRIGGERS = 3 + len(PERIODS_SECONDS)
# A side is said where it is at least so likely, found on styles and languages that were left out.
SURE_LOCAL = 0.7
SURE_FRONTIER = 0.5

_WORDS = re.compile(r"[^\s!-/:-@\[-`{-~\u3000-\u303f\uff00-\uff0f\uff1a-\uff20\u2010-\u205f]+")
_DIGITS = re.compile(r"\d+")
_UNSPACED = "\u0e00"  # Thai and what comes behind it, Chinese, Japanese and Korean included
_PAIR, _PIECE, _FIRST, _LAST, _SIZE, _SIGN = (
    1,
    2,
    3,
    4,
    5,
    6,
)  # kinds of features, where hashes begin
_SIGNS = ("/", "?", "\n", ":", "[cron:")


class Guess(msgspec.Struct, frozen=True):
    """A kind, and how likely its side is: that of a local tier, or that of the frontier."""

    kind: str
    sure: float


def features(text: str) -> list[int]:
    """The numbers of what is in the beginning of a text, each once, in the order of the table."""
    text = text[:TEXT_CHARS].lower()
    words = _WORDS.findall(_DIGITS.sub(_magnitude, text))
    found = {crc32(sign.encode(), _SIGN) for sign in _SIGNS if sign in text}
    found.add(crc32(b"%d" % len(text).bit_length(), _SIZE))
    before = b""
    for word in words:
        raw = word.encode()
        found.add(crc32(raw))
        found.add(crc32(raw, crc32(before, _PAIR)))
        before = raw
        found.update(_pieces(word))
    if words:
        found.add(crc32(words[0].encode(), _FIRST))
        found.add(crc32(before, _LAST))
    return sorted({one & (BUCKETS - 1) for one in found})


def _magnitude(number: re.Match[str]) -> str:
    """How long a number is says more than what it is."""
    return "0" * min(len(number.group()), 4)


def _pieces(word: str) -> list[int]:
    """Hashes of the pieces of one word."""
    if word >= _UNSPACED:
        raw = word.encode("utf-16-le")
        ends = range(2, len(raw) + 1, 2)
        return [crc32(raw[end - size : end], _PIECE) for end in ends for size in (2, 4)]
    if len(word) < 4:
        return []
    raw = f"<{word}>".encode("utf-16-le")
    return [crc32(raw[begin : begin + 8], _PIECE) for begin in range(0, len(raw) - 7, 2)]


def share(found: Sequence[int]) -> float:
    """How much each feature counts: long texts are no surer than short ones, and of very short ones
    nobody is.
    """
    return 1.0 / sqrt(len(found) + FEATURES_FEW)


def trigger_of(period_seconds: float | None, *, job: bool) -> int:
    """The number of how often it comes."""
    if period_seconds is None:
        return int(job)
    return 2 + sum(period_seconds > end for end in PERIODS_SECONDS)


class Kinds:
    """The weights, ready to guess. `rows` has a row for each bucket and `triggers` one for each way
    of coming, of a number for each kind; of those in `rows` one is `unit` wide.
    """

    def __init__(self, rows: bytes, *, unit: float, triggers: Sequence[Sequence[float]]) -> None:
        width = len(KINDS)
        self._rows = {
            number: row for number, row in enumerate(iter_unpack(f"{width}b", rows)) if any(row)
        }
        self._unit = unit
        self._triggers = triggers
        self.guess = lru_cache(maxsize=512)(self._guess)

    def likely(self, text: str, trigger: int) -> list[float]:
        """How likely each kind is; the sum is 1."""
        found = features(text)
        sums = [0] * len(KINDS)
        rows = self._rows
        for number in found:
            if row := rows.get(number):
                sums = [one + more for one, more in zip(sums, row, strict=True)]
        scale = self._unit * share(found)
        scores = [
            one * scale + more for one, more in zip(sums, self._triggers[trigger], strict=True)
        ]
        top = max(scores)
        parts = [exp(one - top) for one in scores]
        total = sum(parts)
        return [part / total for part in parts]

    def _guess(self, text: str, trigger: int) -> Guess:
        """The kind, or `unknown` where neither side is sure enough."""
        likely = self.likely(text, trigger)
        local = sum(likely[:LOCAL])
        frontier = sum(likely[LOCAL:-1])
        if local >= SURE_LOCAL:
            return Guess(KINDS[_largest(likely, range(LOCAL))], local)
        if frontier >= SURE_FRONTIER:
            return Guess(KINDS[_largest(likely, range(LOCAL, len(KINDS) - 1))], frontier)
        return Guess("unknown", max(local, frontier))


def _largest(values: Sequence[float], among: range) -> int:
    return max(among, key=values.__getitem__)


@lru_cache(maxsize=1)
def shipped() -> Kinds:
    """Those that came with the program, read when the first text is to be judged."""
    from base64 import b85decode

    from twotier.router import kind_weights as made

    rows = decompress(b85decode("".join(made.ROWS.split())))
    return Kinds(rows, unit=made.UNIT, triggers=made.TRIGGERS)
