"""Where text is a quotation: in a fence of code, or between back-ticks."""

from __future__ import annotations

import re

FENCE_TICKS = 3
_MARKS = re.compile(r"`+|\n")


class Fence:
    """Follows text as it passes by, in whatever pieces.

    `open`: in a fence. `span`: between back-ticks, which a paragraph does not outlive. `ticks`: so
    many stand at the end of what passed.
    """

    __slots__ = ("_line", "open", "span", "ticks")

    def __init__(self) -> None:
        self.open = False
        self.span = False
        self.ticks = 0
        self._line = False  # what passed ends with a line

    def copy(self) -> Fence:
        """Another one, in the same place."""
        other = Fence()
        other.open, other.span, other.ticks = self.open, self.span, self.ticks
        other._line = self._line
        return other

    @property
    def quoting(self) -> bool:
        """What comes next is a quotation."""
        return self.open or self.span

    def passed(self, text: str) -> None:
        """Take into account what went by."""
        if not text:
            return
        if not self.span and "`" not in text:
            self.ticks, self._line = 0, text[-1] == "\n"
            return
        line_end = 0 if self._line else -1
        for mark in _MARKS.finditer(text):
            if mark[0] == "\n":
                self.span = self.span and line_end != mark.start()
                line_end = mark.end()
            else:
                self._run(mark.end() - mark.start(), go_on=not mark.start())
        if text[-1] != "`":
            self.ticks = 0
        self._line = line_end == len(text)

    def _run(self, ticks: int, *, go_on: bool) -> None:
        """Back-ticks without a gap; the first pieces of them may have come before."""
        before = self.ticks if go_on else 0
        self.ticks = before + ticks
        if not before:
            self.span = not self.span
        if before < FENCE_TICKS <= self.ticks:
            self.open, self.span = not self.open, False
