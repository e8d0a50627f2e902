"""Asks main for a run: again while there is sense in it, and what it cost is counted once.

By class of error: what was not asked (429, 503, 529) or is under way (409) is asked again, with
growing pauses, while the run's time lasts. What is wrong with the question (400, 413, 422) and what
nobody may (401, 402, 403, 404) goes to the caller at once.

A job may say what becomes of it while its local tier is down: wait for the next slot, skip this
one, or spend so much a day on the frontier tier.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from twotier.domain.clock import Clock
from twotier.domain.job import Job
from twotier.domain.money import MICROUSD_PER_USD, usd
from twotier.domain.tier import TierPolicy
from twotier.errors import DeadlineError, JobError, NoModelError, UpstreamError
from twotier.jobs.results import Counted, ResultStore
from twotier.jobs.standing import LOCAL_DOWN, PARKED

# Not asked, so nothing was spent, or under way: worth asking again while the deadline lasts.
ASK_AGAIN = frozenset({409, 429, 503, 529})
DOWN = 503
PAUSES_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)  # the last one goes on
TRIES_PER_ANSWER = 2
PATIENCE = 0.5  # of the deadline goes by before a job turns to the frontier tier

WAIT, SKIP, FRONTIER = "wait", "skip", "frontier"


class WaitsError(JobError):
    """The answer comes out of a batch that has not ended: the same is asked again later."""


class NotAskedError(DeadlineError):
    """The run's time was over before this part of it was asked."""


class SkippedError(JobError):
    """Nothing is wrong with the work, and this slot is skipped: the local tier is down and the job
    says so, or there is no model yet.
    """


A = TypeVar("A", bound=Counted)
Send = Callable[[Any], Awaitable[A | None]]


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks for one run of a job until `ends_at` of the monotonic clock."""

    job: Job
    results: ResultStore
    clock: Clock
    ends_at: float

    async def ask(self, question: Any, send: Send[A]) -> A:
        """The answer, counted in the run's sums.

        Raises `WaitsError`, `NotAskedError`, `SkippedError`, and what `send` raises.
        """
        kind, _, _ = self.job.when_local_is_down.partition(":")
        if kind and question.policy is TierPolicy.FRONTIER:
            return await self._carried_on(question, send, share=kind == FRONTIER)
        asked = question if not kind else replace(question, policy=TierPolicy.LOCAL_ONLY)
        patience = PATIENCE if kind == FRONTIER else 1.0
        ends_at = self.clock.monotonic() + patience * self.left_seconds
        try:
            answer = await self._until(asked, send, ends_at=ends_at)
        except UpstreamError as exc:
            if exc.upstream_status != DOWN or not kind:
                raise
            if kind == SKIP:
                raise SkippedError(f"{LOCAL_DOWN}: {exc.message}") from exc
            # What is for this machine alone (a reading in quarantine, of long items, a second
            # opinion) stays here whatever the job says of its own questions.
            if kind == WAIT or question.policy is TierPolicy.LOCAL_ONLY:
                raise said_down(exc, exc.message) from exc
            return await self._elsewhere(question, send, down=exc)
        await self.results.count_call(question.run, answer, step=question.step)
        return answer

    @property
    def left_seconds(self) -> float:
        """Of the run's time."""
        return self.ends_at - self.clock.monotonic()

    async def _carried_on(self, question: Any, send: Send[A], *, share: bool) -> A:
        """The answer of the frontier tier, where the local one's was not good enough; within the
        day's share for that tier, where the job has one. Raises as `ask`, and `JobError`.
        """
        if share and (why := await self._spent()):
            raise JobError(why)
        answer = await self._until(question, send, ends_at=self.ends_at)
        step = question.step
        await self.results.count_call(question.run, answer, step=step, elsewhere=share)
        return answer

    async def _spent(self) -> str:
        """Why no more may be spent on the frontier tier today; empty where some is left."""
        limit_microusd = spare_microusd(self.job)
        since = midnight(self.clock.now())
        spent = await self.results.spent_elsewhere(self.job.name, since=since)
        left = spent < limit_microusd
        return "" if left else f"today's {usd(limit_microusd)} for the frontier tier are spent"

    async def _elsewhere(self, question: Any, send: Send[A], *, down: UpstreamError) -> A:
        """On the frontier tier, as long as the day's share for that lasts."""
        if why := await self._spent():
            raise said_down(down, f"{down.message}; {why}") from down
        there = replace(question, policy=TierPolicy.FRONTIER, step=f"{question.step}:frontier")
        answer = await self._until(there, send, ends_at=self.ends_at)
        await self.results.count_call(there.run, answer, step=there.step, elsewhere=True)
        return answer

    async def _until(self, question: Any, send: Send[A], *, ends_at: float) -> A:
        """Ask, and wait for a tier that cannot be asked now, as long as the time lasts."""
        asked = 0
        while True:
            if self.left_seconds <= 0:
                raise NotAskedError("the run's deadline has passed; give the job a longer one")
            try:
                answer = await send(replace(question, deadline_seconds=self.left_seconds))
            except UpstreamError as exc:
                if exc.upstream_kind == NoModelError.code:
                    raise SkippedError(f"{PARKED}: {exc.message}") from exc
                pause_seconds = max(
                    exc.retry_after_seconds or 0.0,
                    PAUSES_SECONDS[min(asked, len(PAUSES_SECONDS) - 1)],
                )
                left_seconds = ends_at - self.clock.monotonic()
                if exc.upstream_status not in ASK_AGAIN or pause_seconds >= left_seconds:
                    raise
            else:
                if answer is None:
                    raise WaitsError("it waits for a batch")
                return answer
            asked += 1
            await self.clock.sleep(pause_seconds)


def said_down(error: UpstreamError, message: str) -> UpstreamError:
    """The same error, told so that whoever reads the run knows what to look at."""
    return UpstreamError(
        f"{LOCAL_DOWN}: {message}",
        upstream_status=error.upstream_status,
        upstream_kind=error.upstream_kind,
        retry_after_seconds=error.retry_after_seconds,
    )


def spare_microusd(job: Job) -> int:
    """What the job may spend a day on the frontier tier while its local tier is down."""
    kind, _, dollars = job.when_local_is_down.partition(":")
    return int(float(dollars) * MICROUSD_PER_USD) if kind == FRONTIER else 0


def midnight(now: datetime) -> datetime:
    """When the day began, in UTC as the budgets' days do."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
