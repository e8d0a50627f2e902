"""When a job that keeps failing is tried again: each failure in a row makes the rest longer. Pure.

One failure is an accident and changes nothing. From the second on the job's slots are skipped for
a while, so that what ails it is neither paid for nor asked for again and again; the first run that
works ends that. A run somebody orders never waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from twotier.domain.job import Job, Run, RunState

# What a run says about the next one. One that was cut off or replaced says nothing.
TELLING = frozenset({RunState.FAILED, RunState.QUIET, RunState.DONE, RunState.LATE})

# After two failures in a row, three, four, five, and more.
LADDER = tuple(timedelta(seconds=seconds) for seconds in (30, 60, 300, 900, 3_600))
FAILURES_MIN = 2


def rests_until(job: Job, runs: Sequence[Run]) -> tuple[datetime | None, str]:
    """Until when its slots are skipped, None where they are not, and why in one sentence.

    `runs` are its latest, the newest first. The time counts from the slot of the last failure, so
    that a job of every hour keeps its hours.
    """
    told = [run for run in runs if run.state in TELLING]
    failed = list(takewhile(lambda run: run.state is RunState.FAILED, told))
    if len(failed) < FAILURES_MIN:
        return None, ""
    step = min(len(failed) - FAILURES_MIN, len(LADDER) - 1)
    until = failed[0].slot + LADDER[step]
    there = until.astimezone(ZoneInfo(job.zone))
    return until, (
        f"its last {len(failed)} runs failed, so it rests until {there:%H:%M:%S};"
        f" `twotier job run {job.name}` tries it now"
    )
