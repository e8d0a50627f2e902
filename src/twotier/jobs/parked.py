"""Jobs that wait for a model: their slots are skipped, and tried as soon as there may be one.

A key may appear at any time, a tier with a start. Whether what was parked is still wanted then is
for the job's own `missed` to say, as for a slot that the machine slept through.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence, Set
from datetime import datetime
from itertools import takewhile

from twotier.domain.clock import Clock
from twotier.domain.job import Job, Run
from twotier.jobs.schedule import GRACE_SECONDS, late_seconds_max
from twotier.jobs.scheduler import Scheduler
from twotier.jobs.standing import PARKED
from twotier.jobs.store import RunStore

UNPARKED = "parked"  # the trigger of a run that a parked one has as soon as there may be a model
LOOK_SECONDS = 5.0  # between two questions whether there is one; asked while something is parked
RUNS_LOOKED_AT = 20  # tries of one parked slot, at most one for each model that came and went
Models = Callable[[], Awaitable[Set[str]]]


async def unpark(scheduler: Scheduler, store: RunStore, *, models: Models, clock: Clock) -> None:
    """Order a run of each parked job that wants one, once for each set of tiers that may serve it:
    at the start, and whenever `models` (the tiers that have what they need) are others. Endless.
    """
    await scheduler.started.wait()
    tried: dict[str, Set[str]] = {}
    while True:
        parked = await waiting(scheduler, store, now=clock.now())
        there = await models() if parked else frozenset[str]()
        for job in parked:
            serving = there & set(job.tiers) if job.tiers else there
            if serving and tried.get(job.name) != serving:
                tried[job.name] = serving
                await scheduler.order(job.name, trigger=UNPARKED)
        await clock.sleep(LOOK_SECONDS)


async def waiting(scheduler: Scheduler, store: RunStore, *, now: datetime) -> list[Job]:
    """The jobs whose newest run was parked, and that want it still."""
    found = []
    for name, job in list(scheduler.jobs.items()):
        if job.enabled and name not in scheduler.paused:
            runs = await store.latest(job=name, limit=RUNS_LOOKED_AT)
            if wanted(job, runs, now=now):
                found.append(job)
    return found


def wanted(job: Job, runs: Sequence[Run], *, now: datetime) -> bool:
    """Whether the newest of its `runs`, the newest first, was parked and may still be made up for.
    Pure. Its age counts from the slot that was parked, not from a later try at it.
    """
    parked = list(takewhile(lambda run: run.because.startswith(PARKED), runs))
    slot = next((run.slot for run in parked if run.trigger != UNPARKED), None)
    if not parked:
        return False
    age_seconds = (now - (slot or parked[-1].slot)).total_seconds()
    return age_seconds <= max(GRACE_SECONDS, late_seconds_max(job.missed))
