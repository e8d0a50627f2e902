"""Works through open trials, one piece at a time, when nobody needs the models.

A trial that waits for the job's next runs takes them as they end. All but those `at_once` wait for
the hours of trials, unless nobody is paid for them, and for a moment in which no run is on its way;
main itself puts what jobs ask behind what people ask. Whatever ends a trial of a model, the model
before it is loaded again: who had the place is stored before it is taken, so that the next process
gives it back after a kill.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Protocol
from zoneinfo import ZoneInfo

from twotier.domain.clock import Clock
from twotier.domain.job import Job
from twotier.domain.tier import TierPolicy
from twotier.domain.verdict import Verdict
from twotier.errors import (
    DeadlineError,
    NotRunningError,
    StreamBrokenError,
    TierUnavailableError,
    TwotierError,
    UpstreamError,
)
from twotier.jobs.again import Again, Command
from twotier.jobs.again_agent import Agents, sweep
from twotier.jobs.judging import Verdict as Beside
from twotier.jobs.till import Asks
from twotier.jobs.trials import DONE, OPEN, QUALITY, STOPPED, Compared, Trial, TrialStore, Work
from twotier.jobs.verdicts import tried
from twotier.verify.checks import Check

LOG = logging.getLogger("twotier.trials")

LOOK_SECONDS = 20.0
NOT_NOW = frozenset({409, 429, 503, 529})  # asked again at the next look
MODEL = "model"


class Loads(Protocol):
    """Has a model loaded in its place."""

    async def loaded(self, tier: str) -> str:
        """Who has the place now."""
        ...

    async def use(self, tier: str) -> None:
        """Have it loaded."""
        ...


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the wall clock; they may span midnight."""

    begins: time
    ends: time
    zone: str

    def holds(self, now: datetime) -> bool:
        """Whether this instant lies in them."""
        wall = now.astimezone(ZoneInfo(self.zone)).time()
        after, before = wall >= self.begins, wall < self.ends
        return (after or before) if self.begins > self.ends else (after and before)


async def nobody(_: Verdict) -> None:
    """Nobody wants to know."""


def everything(_: Work) -> bool:
    """All of it is looked at."""
    return True


@dataclass(frozen=True, slots=True)
class Around:
    """What the desk is told of the rest: the jobs as they are now, and when trials may ask.

    Without a window they may at any time. `judged` hears what a comparison says of a tier;
    `sampled` tells which pieces a watch over quality is about. `command` is a job's own program
    that looks at an answer, None where there is none that changes nothing.
    """

    jobs: Callable[[], Mapping[str, Job]]
    window: Window | None
    judged: Callable[[Verdict], Awaitable[None]] = nobody
    sampled: Callable[[Work], bool] = everything
    command: Command | None = None


class TrialDesk:
    """`run` it beside the jobs."""

    def __init__(
        self,
        store: TrialStore,
        around: Around,
        *,
        client: Asks,
        loads: Loads,
        clock: Clock,
        agents: Agents | None = None,
    ) -> None:
        self._store = store
        self.around = around
        self._client = client
        self._loads = loads
        self._clock = clock
        self._agents = agents
        self._news = asyncio.Event()
        self._changed = asyncio.Condition()

    def look(self) -> None:
        """There may be something to do."""
        self._news.set()

    async def run(self) -> None:
        """Never returns."""
        if self._agents is not None:
            await asyncio.to_thread(sweep, self._agents.artifacts)
        while True:
            await self.once()
            self._news.clear()
            await self._nap(LOOK_SECONDS)

    async def _nap(self, seconds: float) -> None:
        """Sleep, unless there is something to look at before."""
        async with asyncio.TaskGroup() as group:
            naps = [
                group.create_task(self._clock.sleep(seconds)),
                group.create_task(self._news.wait()),
            ]
            await asyncio.wait(naps, return_when=asyncio.FIRST_COMPLETED)
            for nap in naps:
                nap.cancel()

    async def ended(self, trial_id: str, *, within_seconds: float) -> Trial:
        """The trial, once it is over or the time has passed."""
        try:
            async with asyncio.timeout(within_seconds), self._changed:
                while (trial := await self._store.trial(trial_id)).state == OPEN:
                    await self._changed.wait()
                return trial
        except TimeoutError:
            return await self._store.trial(trial_id)

    async def stop(self, trial_id: str, because: str) -> None:
        """It is not gone on with; its evidence stays."""
        trial = await self._store.trial(trial_id)
        if trial.state == OPEN:
            await self._end(trial, STOPPED, because=because)
        self.look()

    async def once(self) -> None:
        """Everything that may be done now. Where main has gone, the worker goes too."""
        there = await self._store.open()
        with contextlib.suppress(NotRunningError):
            for number, trial in enumerate(there):
                if not await self._store.take(trial.id):
                    continue
                try:
                    await self._tried(trial)
                finally:
                    await self._hand_on(trial.id, there[number + 1 :])
                    await self._store.leave(trial.id)

    async def _tried(self, trial: Trial) -> None:
        """What may be done of one; a fault in it is its own."""
        try:
            await self._work(trial)
        except UpstreamError as exc:
            await self._refused(trial, exc)
        except NotRunningError:
            raise
        except TwotierError as exc:
            await self._end(trial, STOPPED, because=exc.message)
        except Exception as exc:  # top of a trial
            LOG.exception("trial broke", extra={"job": trial.job, "trial": trial.id})
            await self._end(trial, STOPPED, because=f"internal: {type(exc).__name__}: {exc}")

    async def _refused(self, trial: Trial, error: UpstreamError) -> None:
        """It may be answered at the next look. A model that was loaded for this is not loaded again
        and again.
        """
        if error.upstream_status in NOT_NOW and trial.kind != MODEL:
            await self._store.change(trial.id, because=f"waits: {error.message}")
        else:
            await self._end(trial, STOPPED, because=error.message)

    async def _may(self, trial: Trial) -> bool:
        """Whether it is the time for it."""
        window = self.around.window
        if trial.at_once:
            return True
        if not trial.free and window is not None and not window.holds(self._clock.now()):
            return False
        return not await self._store.busy()

    async def _work(self, trial: Trial) -> None:
        """Piece by piece, while it may; the order may be withdrawn meanwhile."""
        job = self.around.jobs().get(trial.job)
        if trial.state == OPEN and job is None:
            await self._end(trial, STOPPED, because=f"there is no job {trial.job!r} any more")
        while job is not None and await self._may(trial):
            trial = await self._store.trial(trial.id)
            if trial.state != OPEN or not await self._store.take(trial.id):
                return
            if leaks(trial, job):
                because = f"{job.name} is local-only now, so its texts do not leave this machine"
                await self._end(trial, STOPPED, because=because)
                return
            left = await self._left(trial, job)
            if not left:
                await self._over(trial, job)
                return
            await self._take(trial)
            await self._one(trial, job, work=left[0])

    async def _left(self, trial: Trial, job: Job) -> list[Work]:
        """What has no pair yet."""
        after = None if trial.stored else trial.made_ms
        works = await self._store.works(job, runs_max=trial.runs, after_ms=after)
        done = await self._store.done_for(trial.id)
        if trial.kind == QUALITY:
            works = [work for work in works if self.around.sampled(work)]
        return [work for work in works if not work.gone and (work.run.id, work.key) not in done]

    async def _over(self, trial: Trial, job: Job) -> None:
        """Nothing is left for now; that is the end once there were as many runs as were wanted."""
        after = None if trial.stored else trial.made_ms
        works = await self._store.works(job, runs_max=trial.runs, after_ms=after)
        seen = len({work.run.id for work in works})
        if trial.stored or seen >= trial.runs:
            await self._end(trial, DONE, because=f"{seen} of {trial.runs} runs")

    async def _one(self, trial: Trial, job: Job, *, work: Work) -> None:
        """One piece; what the other tier could not do at all counts as a failure of it."""
        again = Again(
            trial,
            self._store,
            client=self._client,
            clock=self._clock,
            agents=self._agents,
            command=self.around.command,
        )
        try:
            compared = await again.compare(job, work)
        except (StreamBrokenError, DeadlineError) as exc:
            check = Check("answer", False, exc.message)
            fits = not trial.other_cheaper
            compared = Compared("", fits, (check,), Beside.NONE, exc.message)
        await self._store.keep(trial, work, compared=compared)
        if (verdict := tried(trial, work, compared=compared, job=job)) is not None:
            await self.around.judged(verdict)
        LOG.info(
            "tried",
            extra={"job": trial.job, "trial": trial.id, "verdict": compared.verdict.value},
        )

    async def _end(self, trial: Trial, state: str, *, because: str) -> None:
        await self._store.end(trial.id, state=state, because=because)
        LOG.info("trial ended", extra={"job": trial.job, "trial": trial.id, "because": because})
        async with self._changed:
            self._changed.notify_all()

    # -- whose place it is

    async def _take(self, trial: Trial) -> None:
        """Have the model loaded that is tried; first it is stored who has its place."""
        if trial.kind != MODEL:
            return
        before = await self._loads.loaded(trial.model)
        if before in ("", trial.model):
            return
        if not trial.swapped_from:
            await self._store.change(trial.id, swapped_from=before)
        LOG.info("model swapped", extra={"trial": trial.id, "tier": trial.model})
        await self._loads.use(trial.model)

    async def _hand_on(self, trial_id: str, later: Sequence[Trial]) -> None:
        """The place goes to the next one that tries the same model, or back to who had it."""
        trial = await self._store.trial(trial_id)
        for following in later if trial.swapped_from else ():
            same = following.kind == MODEL and following.model == trial.model
            free = same and following.state == OPEN and await self._store.take(following.id)
            if free and await self._may(following):
                await self._store.change(following.id, swapped_from=trial.swapped_from)
                await self._store.change(trial.id, swapped_from="")
                return
        await self._give_back(trial_id)

    async def _give_back(self, trial_id: str) -> None:
        """Load again who had the place. If that fails, it is tried again at the next look."""
        trial = await self._store.trial(trial_id)
        if not trial.swapped_from:
            return
        try:
            await self._loads.use(trial.swapped_from)
        except TierUnavailableError as exc:
            LOG.warning("model not swapped back", extra={"because": exc.message})
            return
        await self._store.change(trial.id, swapped_from="")
        LOG.info("model swapped back", extra={"trial": trial.id, "tier": trial.swapped_from})


def leaks(trial: Trial, job: Job) -> bool:
    """Whether texts of a job that must stay here would leave: it may have been set so since."""
    local = TierPolicy.LOCAL_ONLY
    out = {trial.policy, trial.judge} - {"", local.value}
    return job.tier is local and bool(out)
