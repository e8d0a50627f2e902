"""The loop under all jobs: which slots are due, one row for each, at most a few runs at a time.

A row is written before anything else happens, and a run's row stays `running` until it is over. So
whatever kills the process, the next one finds what was on the way and goes on with it. A job never
runs twice at the same time: a slot that comes up meanwhile is `skipped`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from twotier.domain.clock import Clock
from twotier.domain.job import Job, JobStanding, Run, RunState
from twotier.errors import DeliveryError, NotFoundError, NotRunningError
from twotier.jobs.delivery import Delivery
from twotier.jobs.results import ResultStore
from twotier.jobs.runner import PausedError, Runner
from twotier.jobs.schedule import due_slots, next_slots, plan
from twotier.jobs.standing import standing
from twotier.jobs.store import ON_THE_WAY, Ended, RunStore, new_run

LOG = logging.getLogger("twotier.jobs")

RUNS_AT_ONCE = 2
REST_SECONDS = 1.0  # a run that waits looks this often whether all of it stops
BATCH = "waits for a batch"
TRIES_MAX = 5  # a run that brings the machine down must not do so for ever
TICK_SECONDS_MAX = 30.0  # wall clocks jump and machines sleep: look at least this often
OUTBOX_SECONDS = 5.0
RUNS_LOOKED_AT = 20  # to say how a job stands
RETENTION_SECONDS = 86_400.0


@dataclass(slots=True)
class Stop:
    """The order to stop: no new work, what runs may finish its step within `grace_seconds`."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    grace_seconds: float = 0.0
    because: str = ""

    def ask(self, because: str, *, grace_seconds: float) -> None:
        """Stop. The shortest grace anybody asked for counts."""
        if self.asked.is_set():
            grace_seconds = min(grace_seconds, self.grace_seconds)
        self.grace_seconds = grace_seconds
        self.because = self.because or because
        self.asked.set()


class Scheduler:
    """Runs jobs until it is told to stop."""

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        store: RunStore,
        results: ResultStore,
        runner: Runner,
        delivery: Delivery,
        clock: Clock,
    ) -> None:
        self.jobs = {job.name: job for job in jobs}
        self.started = asyncio.Event()  # old runs are taken up, new ones can be ordered
        self._store = store
        self._results = results
        self._runner = runner
        self._delivery = delivery
        self._clock = clock
        self._stop = Stop()
        self._since = clock.now()
        self._seen: dict[str, datetime] = {}
        self._active: dict[str, list[str]] = {name: [] for name in self.jobs}
        self._one_per_job = {name: asyncio.Lock() for name in self.jobs}
        self._few = asyncio.Semaphore(RUNS_AT_ONCE)
        self._waiting: set[str] = set()  # runs that rest, or have rested
        self._changed = asyncio.Condition()
        self._running: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None

    async def run(self, stop: Stop) -> None:
        """Resume what was on the way, then work until `stop`. Unfinished runs stay `running`."""
        self._stop = stop
        async with asyncio.TaskGroup() as group:
            self._group = group
            await self._store.forget_old()
            await self._resume()
            loops = [
                group.create_task(self._tick()),
                group.create_task(self._deliver_again()),
                group.create_task(self._forget()),
            ]
            self.started.set()
            await stop.asked.wait()
            self._group = None
            for loop in loops:
                loop.cancel()
            if self._running:
                await asyncio.wait(self._running, timeout=stop.grace_seconds)
            for task in self._running:
                task.cancel()

    async def order(self, name: str) -> Run:
        """A run by hand, now, after one that is still going on. Returns its row."""
        self.job(name)
        if self._group is None:
            raise NotRunningError("the worker is stopping; try again when it is back")
        run = await self._store.add_by_hand(name)
        self._launch(run)
        return run

    def job(self, name: str) -> Job:
        """The job of this name. Raises `NotFoundError`."""
        if name not in self.jobs:
            known = ", ".join(self.jobs) or "none"
            raise NotFoundError(f"there is no job {name!r}; there are: {known}")
        return self.jobs[name]

    def upcoming(self, job: Job, count: int = 5) -> list[datetime]:
        """The job's next slots."""
        return next_slots(job, after=self._clock.now(), count=count) if job.enabled else []

    async def standings(self) -> list[JobStanding]:
        """How every job stands that is switched on."""
        found = []
        for job in [job for job in self.jobs.values() if job.enabled]:
            runs = await self._store.latest(job=job.name, limit=RUNS_LOOKED_AT)
            found.append(standing(job, runs, since=self._since, now=self._clock.now()))
        return found

    async def ended(self, run_id: str, *, within_seconds: float) -> Run:
        """The run, as soon as it is over or the time has passed. Raises `NotFoundError`."""
        try:
            async with asyncio.timeout(within_seconds), self._changed:
                while (run := await self._found(run_id)).state in ON_THE_WAY:
                    await self._changed.wait()
                return run
        except TimeoutError:
            return await self._found(run_id)

    async def _found(self, run_id: str) -> Run:
        run = await self._store.run(run_id)
        if run is None:
            raise NotFoundError(f"there is no run {run_id!r}; see `twotier runs`")
        return run

    # -- from one process to the next

    async def _resume(self) -> None:
        """Go on with what a worker before us left, unless it was killed by it too often."""
        for run in await self._store.unfinished():
            if run.job not in self.jobs:
                await self._give_up(run, "the job is not in the configuration any more")
            elif run.tries >= TRIES_MAX:
                await self._give_up(run, f"it was cut off {run.tries} times")
                await self._runner.abandon(run)
            else:
                LOG.info("run resumed", extra={"job": run.job, "run": run.id, "tries": run.tries})
                self._launch(run)
        enabled = [job for job in self.jobs.values() if job.enabled]
        await self._store.forget_schedules_except({job.name for job in enabled})
        for job in enabled:
            self._seen[job.name] = await self._store.since(job.name, schedule_text(job))

    async def _give_up(self, run: Run, because: str) -> None:
        await self._store.end(run.id, Ended(RunState.INTERRUPTED, because))
        LOG.warning("run given up", extra={"job": run.job, "run": run.id, "because": because})

    # -- slots

    async def _tick(self) -> None:
        while True:
            now = self._clock.now()
            for name in self._seen:
                await self._due(self.jobs[name], now)
            await self._clock.sleep(self._seconds_to_next())

    def _seconds_to_next(self) -> float:
        """Until the next slot of any job. A slot already past is taken up at once."""
        now = self._clock.now()
        soon = now + timedelta(seconds=TICK_SECONDS_MAX)
        for name, seen in self._seen.items():
            soon = min([soon, *next_slots(self.jobs[name], after=seen)])
        return max(0.0, (soon - now).total_seconds())

    async def _due(self, job: Job, now: datetime) -> None:
        slots = due_slots(job, after=self._seen[job.name], now=now)
        if not slots:
            return
        choice = plan(slots, now=now, missed=job.missed)
        rows = [
            replace(new_run(job.name, slot, state=RunState.MISSED), because=choice.because)
            for slot in choice.missed
        ]
        if choice.run is not None:
            rows.append(self._row(job, choice.run, late=choice.late))
        self._seen[job.name] = slots[-1]
        for run in await self._store.write_due(rows, job=job.name, seen=slots[-1]):
            if run.state is RunState.DUE:
                self._launch(run)

    def _row(self, job: Job, slot: datetime, *, late: bool) -> Run:
        if self._active[job.name]:
            because = f"the run {self._active[job.name][0]} is still going on"
            return replace(new_run(job.name, slot, state=RunState.SKIPPED), because=because)
        return replace(new_run(job.name, slot), late=late)

    # -- runs

    def _launch(self, run: Run) -> None:
        if self._group is None:
            return  # the row is there; the next worker takes it up
        self._active[run.job].append(run.id)
        task = self._group.create_task(self._one(run))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _one(self, run: Run) -> None:
        try:
            async with self._one_per_job[run.job], self._few:
                if not self._stop.asked.is_set():
                    await self._do(self.jobs[run.job], await self._store.start(run.id))
        except PausedError:
            LOG.info("run paused", extra={"job": run.job, "run": run.id})
        except NotRunningError as exc:
            self._stop.ask(exc.message, grace_seconds=0.0)
        finally:
            self._active[run.job].remove(run.id)
            async with self._changed:
                self._changed.notify_all()

    async def _do(self, job: Job, run: Run) -> None:
        try:
            stopped, rest = self._stop.asked.is_set, partial(self._rest, run)
            ended = await self._runner.run(job, run, paused=stopped, rest=rest)
        except (PausedError, NotRunningError):
            raise
        except Exception as exc:  # top of a run: a fault in one job is its own
            LOG.exception("run broke", extra={"job": job.name, "run": run.id})
            ended = Ended(RunState.FAILED, f"internal: {type(exc).__name__}: {exc}")
        self._waiting.discard(run.id)
        await self._store.end(run.id, ended)
        level = logging.WARNING if ended.state is RunState.FAILED else logging.INFO
        if ended.state is RunState.QUIET:
            level = logging.DEBUG
        facts = {"job": job.name, "run": run.id, "state": ended.state, "because": ended.because}
        LOG.log(level, "run ended", extra=facts)

    async def _rest(self, run: Run, seconds: float) -> None:
        """Let other runs work while this one waits; ends early when all of it stops."""
        if run.id not in self._waiting:
            self._waiting.add(run.id)
            await self._store.waits(run.id, BATCH)
            LOG.info("run waits", extra={"job": run.job, "run": run.id, "because": BATCH})
        self._few.release()
        try:
            while seconds > 0 and not self._stop.asked.is_set():
                await self._clock.sleep(min(seconds, REST_SECONDS))
                seconds -= REST_SECONDS
        finally:
            await self._few.acquire()

    # -- what comes round

    async def _deliver_again(self) -> None:
        while True:
            for letter in await self._results.due_letters():
                try:
                    place = await self._delivery.deliver(letter)
                except DeliveryError as exc:
                    await self._results.undelivered(letter, [], because=exc.message)
                else:
                    await self._results.delivered_later(letter, place)
                    LOG.info("delivered late", extra={"job": letter.job, "run": letter.run})
            await self._clock.sleep(OUTBOX_SECONDS)

    async def _forget(self) -> None:
        while True:
            await self._clock.sleep(RETENTION_SECONDS)
            await self._store.forget_old()


def schedule_text(job: Job) -> str:
    """When a job runs, for people, and to notice that it was changed."""
    if job.every_seconds is not None:
        return f"every {duration(job.every_seconds)}"
    return f"cron {job.cron} {job.zone}"


def duration(seconds: float) -> str:
    """Seconds as people write them: 90s is 1m30s."""
    text = ""
    left = seconds
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        count, left = divmod(left, size)
        text += f"{count:.0f}{unit}" if count else ""
    return f"{text}{left:g}s" if left or not text else text
