"""A watch over the local tier: a few of its background runs are judged beside the frontier.

Which runs those are is a matter of their names alone, so it is the same after a restart, and nobody
can choose them. Once a day, in the hours of trials, each job whose answers come from the local tier
has an order of its own for those of its last day; the desk of trials does the work, and what comes
of it is told like any other verdict. A job that is local-only, or that an agent works on, is never
watched this way.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from twotier.domain.clock import Clock
from twotier.domain.job import Job
from twotier.domain.money import MICROUSD_PER_USD, usd
from twotier.domain.tier import TierPolicy
from twotier.errors import TwotierError
from twotier.jobs.store import ms
from twotier.jobs.trial_desk import TrialDesk, Window
from twotier.jobs.trials import OPEN, QUALITY, Rates, Trial, TrialStore, Work

LOG = logging.getLogger("twotier.trials")

LOOK_SECONDS = 900.0
DAY = timedelta(days=1)
PAUSE = timedelta(hours=20)  # between two orders for a job: once in each night
RUNS_MAX = 200
WATCHED = frozenset({TierPolicy.AUTO, TierPolicy.LOCAL_THEN_FRONTIER})
FRONTIER = TierPolicy.FRONTIER.value
PROBE_BYTES, PROBE_TOKENS = 10_000, 1_000
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """So many of a hundred runs on the local tiers, for at most so much a day."""

    percent: float = 0.0
    limit_microusd: int = 0
    local_tiers: frozenset[str] = frozenset()

    def takes(self, work: Work) -> bool:
        """Whether this piece is one of them."""
        return work.tier in self.local_tiers and drawn(work.run.id, self.percent)


def drawn(run: str, percent: float) -> bool:
    """Whether this run is one of so many of a hundred, by its name."""
    number = int.from_bytes(hashlib.blake2b(run.encode(), digest_size=8).digest())
    return number < percent / 100 * 2**64


class Main(Protocol):
    """Whoever tells what something would cost."""

    async def order(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Main's answer."""
        ...


class QualityWatch:
    """`run` it beside the desk."""

    def __init__(
        self, store: TrialStore, desk: TrialDesk, *, sample: Sample, main: Main, clock: Clock
    ) -> None:
        self._store = store
        self._desk = desk
        self._sample = sample
        self._main = main
        self._clock = clock

    async def run(self) -> None:
        """Never returns."""
        while True:
            try:
                await self.once()
            except TwotierError as exc:
                LOG.warning("quality watch", extra={"because": exc.message})
            await self._clock.sleep(LOOK_SECONDS)

    async def once(self) -> int:
        """Order what is to be judged now; how many jobs that concerns. Raises what main says."""
        window: Window | None = self._desk.around.window
        if not self._sample.percent or (window and not window.holds(self._clock.now())):
            return 0
        ordered = 0
        for job in self._desk.around.jobs().values():
            if job.tier in WATCHED and not job.terms.agent and await self._order(job):
                ordered += 1
        if ordered:
            self._desk.look()
        return ordered

    async def _order(self, job: Job) -> bool:
        now = self._clock.now()
        before = [one for one in await self._store.of_job(job.name) if one.kind == QUALITY]
        if before and (before[0].state == OPEN or before[0].made_ms > ms(now - PAUSE)):
            return False
        works = await self._store.works(job, runs_max=RUNS_MAX, after_ms=ms(now - DAY))
        if not any(self._sample.takes(work) and not work.gone for work in works):
            return False
        left = self._sample.limit_microusd - await self._spent()
        if left <= 0:
            LOG.info("quality watch", extra={"because": "its dollars of today are spent"})
            return False
        rates = await self._rates()
        trial = Trial(
            id=f"quality-{secrets.token_hex(6)}",
            job=job.name,
            kind=QUALITY,
            side=FRONTIER,
            policy=FRONTIER,
            judge=FRONTIER,
            runs=len({work.run.id for work in works}),
            stored=True,
            limit_microusd=left,
            rates=rates,
            judge_rates=rates,
            made_ms=ms(now),
        )
        await self._store.add(trial)
        LOG.info("quality watch", extra={"job": job.name, "limit": usd(left)})
        return True

    async def _spent(self) -> int:
        """Of the last day; an order that is open may still spend all of its limit."""
        since = ms(self._clock.now() - DAY)
        mine = [one for one in await self._store.of_job() if one.kind == QUALITY]
        return sum(
            one.limit_microusd if one.state == OPEN else one.spent_microusd
            for one in mine
            if one.made_ms > since or one.state == OPEN
        )

    async def _rates(self) -> Rates:
        """What the frontier costs at most, from what main says that requests would."""
        base = await self._worst(1, PROBE_TOKENS)
        read = await self._worst(1 + PROBE_BYTES, PROBE_TOKENS) - base
        written = await self._worst(1, 2 * PROBE_TOKENS) - base
        return Rates(-(-read * MILLION // PROBE_BYTES), -(-written * MILLION // PROBE_TOKENS))

    async def _worst(self, prompt_bytes: int, output_tokens: int) -> int:
        body = {
            "prompt": "x" * prompt_bytes,
            "policy": FRONTIER,
            "output_tokens_max": output_tokens,
        }
        told = await self._main.order("/control/route", body)
        if told["refusal"]:
            raise TwotierError(f"nobody can judge: {told['refusal']}")
        return round(float(told["worst_case_usd"]) * MICROUSD_PER_USD)
