"""Whether a work grows with its input as a line does, or faster.

A time is never asserted: what is compared is the processor time of this thread for one size and for
four times as much, and only where the larger one is far beyond what a reader of ours takes. A
square takes sixteen times as long, so at eight times the two are told apart.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SMALL, LARGE = 16_000, 64_000  # bytes
NOTICED_SECONDS = 0.1  # below it nothing is looked at twice
GIVEN_UP_SECONDS = 10.0
FASTER = 8.0
TRIES = 3


class TooSlowError(Exception):
    """It had more processor time than anything of ours may take."""


@contextmanager
def given_up_after(seconds: float) -> Iterator[None]:
    """Raises `TooSlowError` in the middle of it, so that no power of two is waited for."""

    def over(_: int, __: FrameType | None) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGVTALRM, over)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def seconds_of(work: Callable[[], object]) -> float:
    """Processor time of a work."""
    began = time.thread_time()
    try:
        with given_up_after(GIVEN_UP_SECONDS):
            work()
    except TooSlowError:
        return GIVEN_UP_SECONDS
    return time.thread_time() - began


def faster_than_a_line(work: Callable[..., Callable[[], object]]) -> str:
    """What `work(size=...)()` takes at both sizes where it grows faster, else empty."""
    large = seconds_of(work(size=LARGE))
    if large < NOTICED_SECONDS:
        return ""
    for _ in range(TRIES):
        small = seconds_of(work(size=SMALL))
        large = min(large, seconds_of(work(size=LARGE)))
        if large < FASTER * small and large < GIVEN_UP_SECONDS:
            return ""
    return f"{small * 1e3:.0f} ms for {SMALL:,} bytes, {large * 1e3:.0f} ms for {LARGE:,}"
