"""How far a download is: a bar where somebody watches, a line for each file where nobody does."""

from __future__ import annotations

import sys
from collections.abc import Callable

from twotier.cli.output import say

WIDTH = 28
REDRAW_SECONDS = 0.2


class Bar:
    """`models.pull.Progress` on stderr. `now` is a clock that only goes forward."""

    def __init__(self, total_bytes: int, *, now: Callable[[], float]) -> None:
        self._total = max(total_bytes, 1)
        self._now = now
        self._watched = sys.stderr is not None and sys.stderr.isatty()
        self._began = now()
        self._drawn = 0.0
        self._files: dict[str, int] = {}
        self._came = 0

    def __call__(self, file: str, done_bytes: int, *, total_bytes: int) -> None:
        """Of this file so many bytes are here."""
        before = self._files.get(file)
        self._came += done_bytes - before if before is not None else 0
        self._files[file] = done_bytes
        if not self._watched:
            if done_bytes == total_bytes and before != total_bytes:
                say(f"  {file}: {total_bytes / 1e6:,.1f} MB")
            return
        now = self._now()
        if now - self._drawn > REDRAW_SECONDS:
            self._drawn = now
            self._draw(file)

    def _draw(self, file: str) -> None:
        done = sum(self._files.values())
        share = min(done / self._total, 1.0)
        rate = self._came / max(self._now() - self._began, 0.001)
        left = f", {(self._total - done) / rate / 60:.0f} min left" if rate else ""
        filled = "#" * int(WIDTH * share)
        text = f"[{filled:<{WIDTH}}] {share:4.0%} {rate / 1e6:6.1f} MB/s{left}  {file[-40:]}"
        print(f"\r{text:<110}"[:111], end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Draw how far it came, and leave the line."""
        if self._watched and self._files:
            self._draw([*self._files][-1])
            print(file=sys.stderr)
