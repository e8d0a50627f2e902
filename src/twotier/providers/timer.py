"""The times of one call upstream, kept by one timer.

A timeout round every read costs more than the rest of the read. Here whoever waits only notes until
when it may; the timer looks at that note when it rings, and sets itself anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from twotier.errors import DeadlineError
from twotier.providers.base import Deadlines


class Timer:
    """Ends a wait that is too long by calling `fail` with the error that says so.

    One timer serves the calls of a connection one after another: `start` for each. Time that nobody
    waits in (the client is slow) counts for the total only.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting = False
        self._fail: Callable[[DeadlineError], None] = _nobody_waits
        self._handle: asyncio.TimerHandle | None = None

    def start(
        self, fail: Callable[[DeadlineError], None], *, deadlines: Deadlines, sent_at: float
    ) -> None:
        """A call begins. `sent_at` is loop time: first token and total run from there."""
        self._fail = fail
        self._deadlines = deadlines
        self._total_at = sent_at + deadlines.total_seconds
        # Until the first byte the clock of the first token runs on, then the one between bytes.
        self._name = "first token"
        self._wait_until = sent_at + deadlines.first_token_seconds

    def begin(self) -> None:
        """Somebody begins to wait for bytes."""
        self._waiting = True
        if self._name == "idle":
            self._wait_until = self._loop.time() + self._deadlines.idle_seconds
        due = min(self._wait_until, self._total_at)
        if self._handle is None:
            self._handle = self._loop.call_at(due, self._ring)
        elif due < self._handle.when():  # once: idle may end before the first token's time
            self._handle.cancel()
            self._handle = self._loop.call_at(due, self._ring)

    def end(self, *, content: bool) -> None:
        """The wait is over; `content` says that it brought a piece of the body."""
        self._waiting = False
        if content:
            self._name = "idle"

    def rest(self) -> None:
        """The call is over. A timer that is wound up stays so: the next call may use it."""
        self._waiting = False
        self._fail = _nobody_waits  # the answer holds this timer, which is not to hold it too

    def stop(self) -> None:
        """Nobody will wait any more."""
        self._waiting = False
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self) -> None:
        self._handle = None
        if not self._waiting:
            return  # the next wait winds it up again
        due = min(self._wait_until, self._total_at)
        if due > self._loop.time():
            self._handle = self._loop.call_at(due, self._ring)
            return
        name = "total" if self._total_at <= self._wait_until else self._name
        self._fail(late(name, self._deadlines))


def _nobody_waits(_: DeadlineError) -> None:
    """Whom a timer tells between two calls."""


def late(name: str, deadlines: Deadlines) -> DeadlineError:
    """The error for one of the four times: `first token`, `idle` or `total`."""
    seconds = {
        "first token": deadlines.first_token_seconds,
        "idle": deadlines.idle_seconds,
        "total": deadlines.total_seconds,
    }[name]
    return DeadlineError(
        f"the upstream's {name} time of {seconds:.3g} s ran out; ask again, "
        "or raise the tier's limit if it is only slow"
    )
