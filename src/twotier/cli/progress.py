"""What a command is at while one waits: how far a download is, or that something goes on.

Where somebody watches, one line that changes; where nobody does, few lines that stay.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from twotier.cli.output import say

WIDTH = 28
REDRAW_SECONDS = 0.2
TICK_SECONDS = 1.0  # what is over within one says nothing
TICKS_BETWEEN_LINES = 30


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


@contextmanager
def working(what: str, *, tick_seconds: float = TICK_SECONDS) -> Iterator[None]:
    """Say on stderr what goes on, from its second tick on: `reading the ledger ... 4 s`."""
    over, pace = Event(), {"tick_seconds": tick_seconds}
    teller = Thread(target=_tell, args=(what, over), kwargs=pace, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def _tell(what: str, over: Event, *, tick_seconds: float) -> None:
    watched = sys.stderr is not None and sys.stderr.isatty()
    ticks = width = 0
    while not over.wait(tick_seconds):
        ticks += 1
        if watched:
            line = f"{what} ... {ticks * tick_seconds:.0f} s"
            width = len(line)
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
        elif ticks == 1:
            say(f"{what} ...")
        elif ticks % TICKS_BETWEEN_LINES == 0:
            say(f"{what}: still at it after {ticks * tick_seconds:.0f} s")
    if width:
        print(f"\r{'':{width}}\r", end="", file=sys.stderr, flush=True)
