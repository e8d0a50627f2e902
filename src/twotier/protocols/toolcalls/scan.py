"""Looks for calls in text that comes in pieces, and holds back no more of it than it must.

What is not held is passed on as it came. From the first character that may begin a marker text is
held, until it is none (a character or two later), or until it names no tool of the request (by the
end of the name). Where it does, only the end of the message tells whether it was a call: a call is
its tail. However the text was cut, the same is found.

What is quoted (see `fence`) stays text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from twotier.protocols.toolcalls.base import Family, Found
from twotier.protocols.toolcalls.families import (
    BY_OPENER,
    FIRST_CHARS,
    OPENER,
    TRAIL,
    partial,
)
from twotier.protocols.toolcalls.fence import Fence
from twotier.protocols.toolcalls.llama3_json import BARE_JSON
from twotier.protocols.toolcalls.named_json import NAMED_HEAD

HEAD_CHARS_MAX = 240
HELD_CHARS_MAX = 1_000_000
# Calls that turned out not to be the tail; behind so many of them nobody looks for more.
READS_MAX = 16
_WORTH_A_LOOK = re.compile(f"[{re.escape(''.join(sorted(FIRST_CHARS)))}`]")
_BARE_BEGINS = ("{", "[")
_NAMED = re.compile(rf"\[?\s*+{NAMED_HEAD}")
_NAMES = ("name", "after", "before")  # groups of heads: some have it in one of several places


class _Head(Enum):
    """What is known of a place where a marker stands."""

    NO = 0
    MORE = 1
    YES = 2


@dataclass(frozen=True, slots=True)
class Tail:
    """The end of a message: the text before its calls, and the calls, None where there are none.

    `rest` is the text of the calls themselves. `broken`: a call stood there and could not be read.
    """

    before: str
    rest: str
    found: Found | None = None
    broken: bool = False


class Scan:
    """One stream of text: the answer, or the thinking. `named` knows the tools of the request."""

    def __init__(self, named: Callable[[str], bool], *, bare: bool = False) -> None:
        self._named = named
        self._bare = bare  # bare JSON may be a call, and nothing but blanks has come
        self._fence = Fence()
        self._text = ""  # a marker, perhaps
        self._pieces: list[str] = []  # from the marker of a known tool on
        self._size = 0
        self._families: tuple[Family, ...] = ()  # of that marker
        self._over = False  # too much was held: all else is text

    @property
    def holding(self) -> bool:
        """Whether something is held back."""
        return bool(self._text or self._pieces)

    def feed(self, text: str) -> str:
        """What can be passed on now."""
        if self._pieces:
            return self._more(text)
        if self._over:
            return text
        undecided = self._text or self._bare or self._fence.span
        if not undecided and _WORTH_A_LOOK.search(text) is None:
            self._fence.ticks = 0
            return text
        return self._look(self._text + text)

    def release(self) -> str:
        """All that is held; it is text, and what comes is looked at anew."""
        held = "".join(self._pieces) or self._text
        self._fence.passed(held)
        self._text, self._pieces, self._bare = "", [], False
        return held

    def tail(self) -> Tail:
        """The message is over. What was held is in the answer, and no longer held."""
        text, families = "".join(self._pieces), self._families
        if not text:
            return Tail(self.release(), "")
        self._pieces = []
        at = start = 0
        for _ in range(READS_MAX):
            found = self._read(text, start, families=families)
            if found is None:
                # Other JSON begins like a call too, but for its name.
                broken = families != (BARE_JSON,) or _NAMED.match(text, start) is not None
                return Tail(text, "", broken=broken)
            if _over(text, found.end):
                return Tail(text[:start], text[start:], found)
            self._fence.passed(text[at : found.end])
            at = found.end
            start, families = self._next(text, at)
            if not families:
                break
            self._fence.passed(text[at:start])
            at = start
        return Tail(text, "")

    def _more(self, text: str) -> str:
        self._pieces.append(text)
        self._size += len(text)
        if self._size <= HELD_CHARS_MAX:
            return ""
        self._over = True
        return self.release()

    def _look(self, text: str) -> str:
        """Pass on what is no marker; keep the rest."""
        self._text = ""
        if self._bare:
            return self._look_bare(text)
        out: list[str] = []
        at = 0
        while found := OPENER.search(text, at):
            start = found.start()
            out.append(text[at:start])
            self._fence.passed(text[at:start])
            families = BY_OPENER[found[0]]
            head = _Head.NO if self._fence.quoting else self._head(text, start, families=families)
            if head is not _Head.NO:
                out.append(self._held(text[start:], head=head, families=families))
                return "".join(out)
            at = start + 1
            out.append(text[start])
            self._fence.passed(text[start])
        cut = partial(text, at)
        out.append(text[at:cut])
        self._fence.passed(text[at:cut])
        self._text = text[cut:]
        return "".join(out)

    def _look_bare(self, text: str) -> str:
        """The beginning of a message, which may be bare JSON. Blanks decide nothing, and pass."""
        rest = text.lstrip()
        if not rest:
            self._fence.passed(text)
            return text
        blank = text[: len(text) - len(rest)]
        self._fence.passed(blank)
        head = self._bare_head(rest)
        if head is not _Head.NO:
            return blank + self._held(rest, head=head, families=(BARE_JSON,))
        self._bare = False
        return blank + self._look(rest)

    def _held(self, text: str, *, head: _Head, families: tuple[Family, ...]) -> str:
        """Hold it back."""
        if head is _Head.MORE:
            self._text = text
            return ""
        self._families, self._size = families, 0
        return self._more(text)

    def _bare_head(self, text: str) -> _Head:
        if not text.startswith(_BARE_BEGINS):
            return _Head.NO
        return self._head(text, 0, families=(BARE_JSON,))

    def _head(self, text: str, start: int, *, families: tuple[Family, ...]) -> _Head:
        for family in families:
            if found := family.head.match(text, start, start + HEAD_CHARS_MAX):
                return _Head.YES if self._known(found) else _Head.NO
        return _Head.NO if len(text) - start >= HEAD_CHARS_MAX else _Head.MORE

    def _known(self, head: re.Match[str]) -> bool:
        """Whether a head names a tool of the request, or does not name any yet."""
        groups = head.groupdict()
        name = next((groups[key] for key in _NAMES if groups.get(key)), "")
        return not name or self._named(name)

    def _read(self, text: str, start: int, *, families: tuple[Family, ...]) -> Found | None:
        """The calls there, by the family whose head stands there."""
        end = start + HEAD_CHARS_MAX
        family = next(family for family in families if family.head.match(text, start, end))
        return family.read(text, start)

    def _next(self, text: str, at: int) -> tuple[int, tuple[Family, ...]]:
        """The next place of a known head that is not quoted, and its families; none at the end."""
        fence = self._fence.copy()
        while found := OPENER.search(text, at):
            fence.passed(text[at : found.start()])
            families = BY_OPENER[found[0]]
            if (
                not fence.quoting
                and self._head(text, found.start(), families=families) is _Head.YES
            ):
                return found.start(), families
            fence.passed(text[found.start()])
            at = found.start() + 1
        return 0, ()


def _over(text: str, at: int) -> bool:
    """Whether nothing comes any more that says something."""
    trail = TRAIL.match(text, at)
    return trail is not None and trail.end() == len(text)
