"""When a tier that lost a job is tried again: after pauses that double, at quiet hours.

A record that speaks against a tier would otherwise never hear of it again, and models, servers and
prompts get better. Only work that nobody waits for is used, and only where verdicts come in:
whoever asks sees to that. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from zoneinfo import ZoneInfo

import msgspec

from twotier.domain.known import Record
from twotier.domain.verdict import BAD, Judgement
from twotier.router.record import FAILURE_RUNS, FAILURES, odds

RUNS = 10  # runs of the job before a tier that failed is tried again
RUNS_TRUSTED = 3  # where it had done well before
DAYS = 1.0
DOUBLINGS_MAX = 5
LATE = 3.0  # so many times as long: then it need not be night
DAY_MS = 86_400_000


class Hours(msgspec.Struct, frozen=True):
    """Hours of the wall clock that may span midnight; `zone` is an IANA name."""

    begins: time
    ends: time
    zone: str

    def holds(self, now: datetime) -> bool:
        """Whether this instant lies in them."""
        wall = now.astimezone(ZoneInfo(self.zone)).time()
        after, before = wall >= self.begins, wall < self.ends
        return (after or before) if self.begins > self.ends else (after and before)


def due(
    past: Sequence[Judgement],
    record: Record,
    *,
    runs_since: int,
    now: datetime,
    hours: Hours | None,
) -> bool:
    """Whether a tier that lost a job should be tried again now. `past` are its judgements there,
    the oldest first; `runs_since` counts the job's runs elsewhere since the last of them.

    The pause doubles with each failure in a row. After a good one there is none but the wait for
    the hours; a job that never runs in them is tried at another time once it has waited long.
    """
    verdicts = [one for one in past if one.verified]
    if not verdicts or not runs_since:
        return False
    row = failures_in_a_row(verdicts)
    doublings = min(max(0, row - FAILURES), DOUBLINGS_MAX)
    runs = RUNS_TRUSTED if odds(record).mean >= 1 - 1 / FAILURE_RUNS else RUNS
    factor = float(2**doublings) if row else 0.0
    days = (now.timestamp() * 1000 - verdicts[-1].at_ms) / DAY_MS
    if days < DAYS * factor or runs_since < runs * factor:
        return False
    return hours is None or hours.holds(now) or days >= LATE * DAYS * max(1.0, factor)


def failures_in_a_row(verdicts: Sequence[Judgement]) -> int:
    """How many of the last verdicts are failures, without a good one between."""
    count = 0
    for one in reversed(verdicts):
        if one.good != BAD:
            break
        count += 1
    return count
