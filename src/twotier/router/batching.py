"""When a request may wait for a batch, and when it stops waiting. Pure.

Most batches end within an hour and none after a day, so only work with time may go there. Whatever
happens, enough of its time is kept to ask in the usual way.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

ASK_SECONDS = 900.0  # kept at the end of a deadline: to cancel the batch, and to ask as usual
START_SECONDS_MIN = 2 * ASK_SECONDS
# Pauses between two looks at a batch; the last one goes on.
PAUSES_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0)
_MOMENTS = tuple(accumulate(PAUSES_SECONDS))


def worth(deadline_seconds: float | None) -> bool:
    """Whether there is time to wait for a batch; without a deadline somebody waits."""
    return deadline_seconds is not None and deadline_seconds >= START_SECONDS_MIN


def pause_seconds(waited_seconds: float) -> float:
    """Until the next look, after so long a wait."""
    looks = bisect_right(_MOMENTS, waited_seconds)
    return PAUSES_SECONDS[min(looks, len(PAUSES_SECONDS) - 1)]


def over(now_ms: int, until_ms: int) -> bool:
    """Whether it has to end, so that the usual way has its time before `until_ms`."""
    return now_ms >= until_ms - int(ASK_SECONDS * 1000)
