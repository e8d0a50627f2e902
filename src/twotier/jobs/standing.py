"""How a job stands, from its last runs: it fails, its watcher is blind, it should have run. Pure.

What was skipped or missed says nothing about the work itself. A run somebody ordered counts for
failures, and not for the schedule.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile

from twotier.domain.job import Job, JobStanding, Run, RunState
from twotier.jobs.schedule import next_slots

BLIND = "could not look"  # how the runner begins the sentence of such a run
PARKED = "parked until there is a model"  # how the sentence begins of a run that had none to ask
LOCAL_DOWN = "the local tier is down"  # in the sentence of a run that could not wait longer
FAILED = frozenset({RunState.FAILED, RunState.INTERRUPTED})
WORKED = FAILED | {RunState.QUIET, RunState.DONE, RunState.LATE}
ON_THE_WAY = frozenset({RunState.DUE, RunState.RUNNING, RunState.WAITING})
LATE = timedelta(seconds=120)  # a machine may just have woken, or be busy


def standing(job: Job, runs: Sequence[Run], *, since: datetime, now: datetime) -> JobStanding:
    """`runs` are its latest, the newest first; `since` is when this worker began."""
    worked = [run for run in runs if run.state in WORKED]
    failed = list(takewhile(lambda run: run.state in FAILED, worked))
    blind = list(takewhile(lambda run: run.because.startswith(BLIND), failed))
    limit = _latest_end(job, runs, since=since)
    overdue_seconds = 0.0 if limit is None else max(0.0, (now - limit).total_seconds())
    because = failed[0].because if failed else ""
    waiting = list(takewhile(lambda run: LOCAL_DOWN in run.because, failed))
    return JobStanding(
        job.name, len(failed), len(blind), because, overdue_seconds, waiting=len(waiting)
    )


def _latest_end(job: Job, runs: Sequence[Run], *, since: datetime) -> datetime | None:
    """Until when its next run should have begun, or the one on its way should be over; None for a
    job that no clock starts again.
    """
    newest = next((run for run in runs if run.trigger != "hand"), None)
    if newest is not None and newest.state in ON_THE_WAY:
        begun = max(since, newest.started_at or newest.slot)
        return begun + timedelta(seconds=job.deadline_seconds) + LATE
    after = since if newest is None else max(since, newest.slot)
    return next((slot + LATE for slot in next_slots(job, after=after)), None)
