"""How jobs went of late, read from their rows: what suggestions and proposals are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import sqlalchemy as sa

from twotier.domain.clock import Clock
from twotier.domain.job import Job, RunState
from twotier.domain.tier import TierPolicy
from twotier.jobs.database import Database
from twotier.jobs.judging import Verdict
from twotier.jobs.proposal import BAR_PERCENT, Pace, Pair, Proposal, propose, saved_a_month
from twotier.jobs.schedule import period_seconds
from twotier.jobs.store import ms
from twotier.jobs.suggesting import Record
from twotier.jobs.tables import answers, outbox, runs
from twotier.jobs.trials import Trial, TrialStore

DAYS = 30.0
DAY_MS = 86_400_000
ANSWERS_LOOKED_AT = 500
LOCAL, FRONTIER = "local", "frontier"
SHADOW = "shadow"


@dataclass(frozen=True, slots=True)
class Seen:
    """The rows of a job in the last days."""

    runs: int
    failed_by_model: int
    answers: Sequence[tuple[str, str]]  # tier and text, the newest last
    pace: Pace


class Records:
    """`local_tiers` are those of this machine; `bar_percent` is what counts as proof."""

    def __init__(
        self,
        database: Database,
        trials: TrialStore,
        *,
        clock: Clock,
        local_tiers: frozenset[str],
        bar_percent: float = BAR_PERCENT,
    ) -> None:
        self._database = database
        self._trials = trials
        self._clock = clock
        self._local_tiers = local_tiers
        self._bar_percent = bar_percent

    async def side(self, job: Job) -> str:
        """Where most of its answers come from; what its settings say where there are none yet."""
        return self._side(job, await self._seen(job.name))

    async def record(self, job: Job) -> Record:
        """All that suggestions need."""
        seen = await self._seen(job.name)
        texts = [text for _, text in seen.answers]
        shadows = [one for one in await self._trials.of_job(job.name) if one.kind == SHADOW]
        local = sum(1 for tier, _ in seen.answers if tier in self._local_tiers)
        return Record(
            job=job.name,
            side=self._side(job, seen),
            local_only=job.tier is TierPolicy.LOCAL_ONLY,
            watched=job.watch is not None,
            period_seconds=period_seconds(job, at=self._clock.now()),
            runs=seen.runs,
            failed_by_model=seen.failed_by_model,
            same_answers=sum(1 for one, other in pairwise(texts) if one == other),
            served_local=local,
            pace=seen.pace,
            proposal=await self.proposal(shadows[0], seen.pace) if shadows else None,
        )

    async def proposal(self, trial: Trial, pace: Pace | None = None) -> Proposal:
        """What a trial proves, with the dollars a month by the pace of the job's own runs."""
        rows = await self._trials.pairs(trial.id)
        other_cheaper = trial.other_cheaper
        pairs = [Pair(row["fits"], Verdict(row["verdict"]), other_cheaper) for row in rows]
        costs = [
            mean([row[name] for row in rows]) for name in ("cost_microusd", "own_cost_microusd")
        ]
        cheaper, dearer = costs if other_cheaper else costs[::-1]
        pace = pace or (await self._seen(trial.job)).pace
        saved = saved_a_month(pace, cheaper_microusd=cheaper, dearer_microusd=dearer)
        return propose(pairs, saved_microusd_a_month=saved, bar_percent=self._bar_percent)

    def _side(self, job: Job, seen: Seen) -> str:
        local = sum(1 for tier, _ in seen.answers if tier in self._local_tiers)
        if job.tier in (TierPolicy.LOCAL_ONLY, TierPolicy.FRONTIER):
            return LOCAL if job.tier is TierPolicy.LOCAL_ONLY else FRONTIER
        if not seen.answers:
            return ""
        return LOCAL if 2 * local >= len(seen.answers) else FRONTIER

    async def _seen(self, job: str) -> Seen:
        now_ms = ms(self._clock.now())
        since_ms = ms(self._clock.now() - timedelta(days=DAYS))
        of_job = (runs.c.job == job) & (runs.c.slot_ms >= since_ms) & (runs.c.model_calls > 0)
        counts = sa.select(
            sa.func.count(),
            sa.func.sum(
                sa.case(
                    (
                        (runs.c.state == RunState.FAILED)
                        & runs.c.because.startswith("model:", autoescape=True),
                        1,
                    ),
                    else_=0,
                )
            ),
            sa.func.sum(runs.c.cost_microusd),
            sa.func.min(runs.c.slot_ms),
        ).where(of_job)
        texts = (
            sa.select(answers.c.tier, outbox.c.text)
            .join(outbox, (outbox.c.run == answers.c.run) & (outbox.c.item == answers.c.item))
            .where(outbox.c.job == job, answers.c.made_ms >= since_ms)
            .order_by(answers.c.made_ms.desc())
            .limit(ANSWERS_LOOKED_AT)
        )

        def work(connection: sa.Connection) -> Seen:
            count, failed, cost, first = connection.execute(counts).one()
            found = [(row.tier, row.text) for row in connection.execute(texts)][::-1]
            days = (now_ms - first) / DAY_MS if first is not None else 0.0
            return Seen(count, failed or 0, found, Pace(len(found), cost or 0, days))

        return await self._database.do(work)


def mean(values: Sequence[float]) -> float:
    """Of some, 0 of none."""
    return sum(values) / len(values) if values else 0.0
