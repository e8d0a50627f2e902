"""Jobs that wait for a model: their slots are skipped, and when twotier starts they are tried."""

from __future__ import annotations

from twotier.jobs.scheduler import Scheduler
from twotier.jobs.standing import PARKED
from twotier.jobs.store import RunStore

UNPARKED = "parked"  # the trigger of a run that a parked one has at the next start


async def unpark(scheduler: Scheduler, store: RunStore) -> None:
    """Order a run of each job whose latest one was parked: a start is when there may be a model."""
    await scheduler.started.wait()
    for name, job in list(scheduler.jobs.items()):
        newest = await store.latest(job=name, limit=1)
        parked = bool(newest) and newest[0].because.startswith(PARKED)
        if parked and job.enabled and name not in scheduler.paused:
            await scheduler.order(name, trigger=UNPARKED)
