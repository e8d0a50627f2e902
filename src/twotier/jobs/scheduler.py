"""The loop under all jobs: what is due, one row for each slot, and who may run now.

A row is written before anything else happens, and a run's row stays `running` until it is over. So
whatever kills the process, the next one finds what was on the way and goes on with it. A job never
runs twice at the same time; what becomes of a slot that comes up meanwhile is the job's `overlap`.
Whatever the number of due jobs, runs begin in order of their slots, as many as the tiers can serve.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from twotier.domain.clock import Clock
from twotier.domain.job import Job, JobStanding, Run, RunState
from twotier.errors import (
    ApprovalWaitsError,
    JobError,
    NotFoundError,
    NotRunningError,
    PausedError,
    RequestError,
)
from twotier.jobs.backoff import TELLING, rests_until
from twotier.jobs.overlap import turn
from twotier.jobs.places import Place, Places
from twotier.jobs.runner import LEAVE, Runner
from twotier.jobs.schedule import next_slots, plan
from twotier.jobs.schedule_words import schedule_text
from twotier.jobs.slots import Slots
from twotier.jobs.standing import WORKED, standing
from twotier.jobs.stop import Stop
from twotier.jobs.store import ON_THE_WAY, Ended, RunStore
from twotier.jobs.triggers import Ending, TriggerStore, row_of

LOG = logging.getLogger("twotier.jobs")

REST_SECONDS = 1.0  # a run that waits looks this often whether all of it stops
BATCH = "waits for a batch"
TRIES_MAX = 5  # a run that brings the machine down must not do so for ever
TICK_SECONDS_MAX = 30.0  # wall clocks jump and machines sleep: look at least this often
RUNS_LOOKED_AT = 20  # to say how a job stands
POSTED_PAUSE = timedelta(seconds=60)  # before what was posted is tried again after a failure
NEXT_SHOWN = 5
GONE = "the job is not in the configuration any more"


@dataclass(slots=True)
class Underway:
    """A run that was launched, and the task that does it. `cut` is how it ends where somebody ends
    it early.
    """

    run: Run
    task: asyncio.Task[None] | None = None
    cut: Ended | None = None


async def nobody() -> list[str]:
    """No run waits for anything."""
    return []


class Scheduler:
    """Runs jobs until it is told to stop. `again` tells which runs need not wait any more for what
    they have waited for.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        store: RunStore,
        triggers: TriggerStore,
        runner: Runner,
        places: Places,
        clock: Clock,
    ) -> None:
        self.jobs = {job.name: job for job in jobs}
        self.started = asyncio.Event()  # old runs are taken up, new ones can be ordered
        self.again: Callable[[], Awaitable[list[str]]] = nobody
        self.paused: set[str] = set()
        self._store = store
        self._triggers = triggers
        self._runner = runner
        self._places = places
        self._clock = clock
        self._stop = Stop()
        self._since = clock.now()
        self._slots = Slots()
        self._underway: defaultdict[str, list[Underway]] = defaultdict(list)
        self._one_per_job: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: set[str] = set()  # runs that rest, or have rested
        self._well: set[str] = set()  # jobs whose last run here did not fail
        self._ending: set[str] = set()  # runs whose end is being written
        self._settled = asyncio.Lock()  # nobody changes the jobs while their slots become rows
        self._changed = asyncio.Condition()
        self._look = asyncio.Event()  # something may be due before its time
        self._running: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None

    async def run(self, stop: Stop) -> None:
        """Resume what was on the way, then work until `stop`. Unfinished runs stay `running`."""
        self._stop = stop
        async with asyncio.TaskGroup() as group:
            self._group = group
            await self._resume()
            tick = group.create_task(self._tick())
            self.started.set()
            await stop.asked.wait()
            self._group = None
            tick.cancel()
            if self._running:
                await asyncio.wait(self._running, timeout=stop.grace_seconds)
            for task in self._running:
                task.cancel()

    # -- what people say

    async def order(self, name: str, *, trigger: str = "hand") -> Run:
        """A run by hand, now, after one that is still going on. Returns its row."""
        self.job(name)
        if self._group is None:
            raise NotRunningError("the worker is stopping; try again when it is back")
        run = await self._store.add_by_hand(name, trigger=trigger)
        self._launch(run)
        return run

    async def fork(self, run_id: str, *, step: int) -> Run:
        """A new run that takes over the steps of this one before number `step`, and works now."""
        original = await self._found(run_id)
        self.job(original.job)
        run = await self._store.add_fork(original, step=step)
        self._launch(run)
        return run

    async def take_up(self, run_id: str) -> Run:
        """A run that was interrupted goes on. Raises `JobError` where its items may be gone."""
        run = await self._found(run_id)
        if run.state is not RunState.INTERRUPTED or self._group is None:
            raise JobError(f"the run is {run.state}; only an interrupted one can be resumed")
        if run.items and (await self._store.latest(job=run.job, limit=1))[0].id != run.id:
            raise JobError("a later run may have its items; `twotier job run` works on the rest")
        run = await self._store.reopen(run.id)
        self._launch(run)
        return run

    async def pause(self, name: str) -> None:
        """The job's slots are neither run nor missed until it is resumed; a run goes on."""
        self.job(name)
        await self._triggers.pause(name)
        self.paused.add(name)
        LOG.info("job paused", extra={"job": name})

    async def resume(self, name: str) -> None:
        """The job's slots count again, from now on."""
        self.job(name)
        async with self._settled:
            now = await self._triggers.resume(name)
            self.paused.discard(name)
            if name in self._slots:
                self._slots.count_from(name, now)
        LOG.info("job resumed", extra={"job": name})
        self.look()

    async def use(self, jobs: Sequence[Job]) -> None:
        """Other jobs from now on. Runs that have begun go on as what they were."""
        async with self._settled:
            self.jobs = {job.name: job for job in jobs}
            await self._count_slots()
        LOG.info("jobs reloaded", extra={"jobs": len(jobs)})
        self.look()

    def cut(self, run_id: str, because: str) -> bool:
        """End a run as `interrupted`; what it had not finished is new again. False where it is not
        on its way here.
        """
        for underway in self._all_underway():
            if underway.run.id == run_id and underway.task and run_id not in self._ending:
                underway.cut = Ended(RunState.INTERRUPTED, because, gives_back=True)
                underway.task.cancel()
                return True
        return False

    async def cancel(self, run_id: str, because: str) -> None:
        """End a run that is on its way, or waits for a yes. Raises `NotFoundError`, and
        `RequestError` for one that is over.
        """
        run = await self._found(run_id)
        if self.cut(run_id, because):
            return
        if run.state is not RunState.WAITING:
            raise RequestError(f"the run is {run.state}; only one that is on its way can be ended")
        await self._runner.abandon(run)
        await self._over(run, Ended(RunState.INTERRUPTED, because, gives_back=True))

    def look(self) -> None:
        """Something has happened that a job may wait for."""
        self._look.set()

    def job(self, name: str) -> Job:
        """The job of this name. Raises `NotFoundError`."""
        if name not in self.jobs:
            known = ", ".join(self.jobs) or "none"
            raise NotFoundError(f"there is no job {name!r}; there are: {known}")
        return self.jobs[name]

    def jobs_by_name(self, name: str) -> Job | None:
        """The job of this name, None if there is none."""
        return self.jobs.get(name)

    def upcoming(self, job: Job, count: int = NEXT_SHOWN) -> list[datetime]:
        """The job's next slots."""
        if not job.enabled or job.name in self.paused:
            return []
        return next_slots(job, after=self._clock.now(), count=count)

    async def standings(self) -> list[JobStanding]:
        """How every job stands that is switched on and not paused."""
        found = []
        for job in [job for job in self.jobs.values() if job.enabled]:
            if job.name not in self.paused:
                runs = await self._lately(job)
                found.append(standing(job, runs, since=self._since, now=self._clock.now()))
        return found

    async def _lately(self, job: Job) -> list[Run]:
        """Its newest runs, and before them those that tell how it does: a job at rest has many
        slots that were skipped.
        """
        newest = await self._store.latest(job=job.name, limit=RUNS_LOOKED_AT)
        oldest = newest[-1].slot if newest else self._clock.now()
        worked = await self._store.latest(job=job.name, states=WORKED, limit=RUNS_LOOKED_AT)
        return [*newest, *(run for run in worked if run.slot < oldest)]

    async def ended(self, run_id: str, *, within_seconds: float) -> Run:
        """The run, as soon as it is over or the time has passed. Raises `NotFoundError`."""
        try:
            async with asyncio.timeout(within_seconds), self._changed:
                while (run := await self._found(run_id)).state in ON_THE_WAY:
                    await self._changed.wait()
                    await self._changed.wait_for(lambda: not self._is_here(run_id))
                return run
        except TimeoutError:
            return await self._found(run_id)

    def _is_here(self, run_id: str) -> bool:
        return any(underway.run.id == run_id for underway in self._all_underway())

    async def _found(self, run_id: str) -> Run:
        run = await self._store.run(run_id)
        if run is None:
            raise NotFoundError(f"there is no run {run_id!r}; see `twotier runs`")
        return run

    # -- from one process to the next

    async def _resume(self) -> None:
        await self.take_over()
        await self._count_slots()

    async def take_over(self) -> None:
        """Go on with what a worker before us left, unless it was killed by it too often."""
        ours = {underway.run.id for underway in self._all_underway()}
        for run in await self._store.unfinished():
            if run.state is RunState.WAITING or run.id in ours:
                continue  # what it waits for has not come yet, or `again` tells
            if run.job not in self.jobs:
                await self._give_up(run, GONE)
            elif run.tries >= TRIES_MAX:
                await self._give_up(run, f"it was cut off {run.tries} times")
                await self._runner.abandon(run)
            else:
                LOG.info("run resumed", extra={"job": run.job, "run": run.id, "tries": run.tries})
                self._launch(run)

    async def _count_slots(self) -> None:
        """Since when slots of each job count: those of a job that is new or changed from now on."""
        enabled = [job for job in self.jobs.values() if job.enabled]
        await self._store.forget_schedules_except({job.name for job in enabled})
        self.paused = await self._triggers.paused()
        self._slots = Slots(
            {job.name: await self._store.since(job.name, schedule_text(job)) for job in enabled}
        )

    async def _give_up(self, run: Run, because: str) -> None:
        await self._store.end(run.id, Ended(RunState.INTERRUPTED, because))
        LOG.warning("run given up", extra={"job": run.job, "run": run.id, "because": because})

    # -- slots

    async def _tick(self) -> None:
        while True:
            self._look.clear()
            async with self._settled:
                if self._triggers.shared:  # others may have paused a job
                    self.paused = await self._triggers.paused()
                due = await self._due()
            for run in sorted(due, key=lambda run: (run.slot, run.job)):
                self._launch(run)
            await self._nap(self._seconds_to_next())

    async def _nap(self, seconds: float) -> None:
        """Sleep, unless there is something to look at before."""
        async with asyncio.TaskGroup() as group:
            naps = [
                group.create_task(self._clock.sleep(seconds)),
                group.create_task(self._look.wait()),
            ]
            await asyncio.wait(naps, return_when=asyncio.FIRST_COMPLETED)
            for nap in naps:
                nap.cancel()

    def _seconds_to_next(self) -> float:
        """Until the next slot of any job. A slot already past is taken up at once."""
        now = self._clock.now()
        soon = now + timedelta(seconds=TICK_SECONDS_MAX)
        for name in self._slots:
            slot = None if name in self.paused else self._slots.next(self.jobs[name])
            soon = soon if slot is None else min(soon, slot)
        return max(0.0, (soon - now).total_seconds())

    async def _due(self) -> list[Run]:
        """New rows of everything that is due now, and old ones that need not wait any more."""
        now, due = self._clock.now(), list[Run]()
        for name in list(self._slots):
            if name in self.paused:
                self._slots.let_pass(name, now)
            else:
                due += await self._due_of(self.jobs[name], now)
        due += await self._posted()
        here = {underway.run.id for underway in self._all_underway()}
        for run_id in await self.again():
            run = await self._store.run(run_id)
            if run is not None and run.id not in here:
                due.append(run)
        return due

    async def _due_of(self, job: Job, now: datetime) -> list[Run]:
        endings: dict[datetime, Ending] = {}
        if job.after:
            since = self._slots.seen(job)
            found = await self._triggers.endings(job.after, job=job.name, since=since)
            endings = {ending.at: ending for ending in found}
        slots = list(endings) or self._slots.due(job, now)
        if not slots:
            return []
        choice = plan(slots, now=now, missed=job.missed)
        rows = [
            replace(
                row_of(job, slot, endings=endings), state=RunState.MISSED, because=choice.because
            )
            for slot in choice.missed
        ]
        if choice.run is not None:
            row = replace(row_of(job, choice.run, endings=endings), late=choice.late)
            rows.append(await self._in_turn(job, row, now=now))
        self._slots.count_from(job.name, slots[-1])
        new = await self._store.write_due(rows, job=job.name, seen=slots[-1])
        return [run for run in new if run.state is RunState.DUE]

    async def _in_turn(self, job: Job, row: Run, *, now: datetime) -> Run:
        """The row, skipped where the job rests or its runs are in the way; or they are."""
        until, because = None, ""
        if job.name not in self._well:
            told = await self._store.latest(job=job.name, states=TELLING, limit=RUNS_LOOKED_AT)
            until, because = rests_until(job, told)
        if until is not None and now < until:
            return replace(row, state=RunState.SKIPPED, because=because)
        ids = [underway.run.id for underway in self._underway[job.name]]
        decided = turn(job.overlap, ids)
        for run_id in decided.replaces:
            self.cut(run_id, f"the run {row.id} took its place")
        if decided.skip:
            return replace(row, state=RunState.SKIPPED, because=decided.because)
        return row

    async def _posted(self) -> list[Run]:
        """A run for each job that something was posted to, unless one is on its way: it takes what
        it finds, and what comes later has the next one.
        """
        waiting = [
            name
            for name in self._slots
            if self.jobs[name].webhook and name not in self.paused and not self._underway[name]
        ]
        now = self._clock.now()
        posted = await self._triggers.posted(waiting, failed_before=now - POSTED_PAUSE)
        return [await self._store.add_by_hand(name, trigger="webhook") for name in sorted(posted)]

    # -- runs

    def _all_underway(self) -> list[Underway]:
        return [one for several in self._underway.values() for one in several]

    def _launch(self, run: Run) -> None:
        if self._group is None:
            return  # the row is there; the next worker takes it up
        underway = Underway(run)
        self._underway[run.job].append(underway)
        task = self._group.create_task(self._one(underway))
        underway.task = task
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _one(self, underway: Underway) -> None:
        run = underway.run
        # Given up last: what a run that was cut had not done is free before the next one looks.
        async with AsyncExitStack() as turn:
            try:
                await turn.enter_async_context(self._one_per_job[run.job])
                await self._begin(run)
            except PausedError:
                LOG.info("run paused", extra={"job": run.job, "run": run.id})
            except ApprovalWaitsError as exc:
                await self._store.asks_owner(run.id, exc.message)
                LOG.info("run waits", extra={"job": run.job, "run": run.id, "because": exc.message})
                self.look()  # it may have been answered meanwhile
            except NotRunningError as exc:
                self._stop.ask(exc.message, grace_seconds=0.0)
            except asyncio.CancelledError:
                if underway.cut is None:
                    raise
                await self._runner.abandon(run)
                await self._over(run, underway.cut)
            finally:
                self._underway[run.job].remove(underway)
                if self._awaited(run.job):
                    self.look()
                async with self._changed:
                    self._changed.notify_all()

    def _awaited(self, name: str) -> bool:
        """Whether anything may be due because a run of this job is over."""
        posted = name in self.jobs and self.jobs[name].webhook
        return posted or any(job.after == name for job in self.jobs.values())

    async def _begin(self, run: Run) -> None:
        if self._stop.asked.is_set():
            return
        job = self.jobs.get(run.job)
        if job is None:
            await self._give_up(run, GONE)
            return
        place = Place(self._places, job, run)
        try:
            if job.watch is None:  # who looks first may have nothing to ask
                await place.take()
            if not self._stop.asked.is_set():
                await self._do(job, await self._store.start(run.id), place=place)
        finally:
            place.leave()

    async def _do(self, job: Job, run: Run, *, place: Place) -> None:
        try:
            stopped, rest = self._stop.asked.is_set, partial(self._rest, place)
            ended = await self._runner.run(job, run, paused=stopped, rest=rest, begin=place.take)
        except LEAVE:
            raise
        except Exception as exc:  # top of a run: a fault in one job is its own
            LOG.exception("run broke", extra={"job": job.name, "run": run.id})
            ended = Ended(RunState.FAILED, f"internal: {type(exc).__name__}: {exc}")
        await self._over(run, ended)

    async def _over(self, run: Run, ended: Ended) -> None:
        self._waiting.discard(run.id)
        self._ending.add(run.id)
        try:
            await self._store.end(run.id, ended)
        finally:
            self._ending.discard(run.id)
        if ended.state in TELLING:
            (self._well.discard if ended.state is RunState.FAILED else self._well.add)(run.job)
        level = logging.WARNING if ended.state is RunState.FAILED else logging.INFO
        if ended.state is RunState.QUIET:
            level = logging.DEBUG
        facts = {"job": run.job, "run": run.id, "state": ended.state, "because": ended.because}
        LOG.log(level, "run ended", extra=facts)

    async def _rest(self, place: Place, seconds: float) -> None:
        """Let other runs work while this one waits; ends early when all of it stops."""
        run = place.run
        if run.id not in self._waiting:
            self._waiting.add(run.id)
            await self._store.waits(run.id, BATCH)
            LOG.info("run waits", extra={"job": run.job, "run": run.id, "because": BATCH})
        place.leave()
        while seconds > 0 and not self._stop.asked.is_set():
            await self._clock.sleep(min(seconds, REST_SECONDS))
            seconds -= REST_SECONDS
        await place.take()
