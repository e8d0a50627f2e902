"""How fast a server reads a prompt, from the signs of life in which it counts the tokens."""

from __future__ import annotations

from collections.abc import Callable

from twotier.domain.message import Progress
from twotier.domain.timing import Timing

PACE_TOKENS_MIN = 256  # of the prompt, to tell how fast all of it was read


class Reading:
    """One prompt on its way through a server; `now` is a clock in seconds."""

    __slots__ = ("_at", "_now", "_step")

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._at = 0.0
        self._step: Progress | None = None

    def note(self, step: Progress) -> None:
        """The server has read a part; the first one counts."""
        if self._step is None:
            self._at, self._step = self._now(), step

    def timing(self, sent_at: float, first_seconds: float | None) -> Timing | None:
        """How long it read, by its pace after the first part: before that it may have waited.

        `sent_at` is on the same clock, and `first_seconds` later the first token came. Where too
        little was left to tell a pace, only how many tokens it read. None where nothing is known.
        """
        step = self._step
        if step is None or first_seconds is None or not step.total:
            return None
        if step.total - step.done < PACE_TOKENS_MIN:
            return Timing(step.total, 0.0)
        seconds = sent_at + first_seconds - self._at
        whole = seconds * step.total / (step.total - step.done)
        return Timing(step.total, min(whole, first_seconds))
