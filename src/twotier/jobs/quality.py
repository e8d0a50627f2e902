"""What trials are made without an order of the owner's: a watch over the local tier, and proofs.

The watch has a few of the local tier's background runs judged beside the frontier. Which runs those
are is a matter of their names alone, so it is the same after a restart, and nobody can choose them.
A proof is for a job that is free to run on both tiers and that the frontier does, because nobody
knows whether the local tier would do: its first runs are done again there, and looked at. One is
free, and looked at by programs alone: it is ordered as soon as a run has ended. Another is judged.

What is judged is ordered at most once a day for a job, in the hours of trials and within the
dollars of a day; the desk of trials does the work, without effects, and what comes of it is told
like any other verdict. A job that is local-only is never judged elsewhere.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from typing import Any, Protocol

from twotier.domain.clock import Clock
from twotier.domain.job import Job
from twotier.domain.money import MICROUSD_PER_USD, usd
from twotier.domain.tier import TierPolicy
from twotier.errors import TwotierError
from twotier.jobs.judging import Verdict
from twotier.jobs.proposal import Pair
from twotier.jobs.store import ms
from twotier.jobs.trial_desk import TrialDesk, Window
from twotier.jobs.trials import OPEN, PROOF, QUALITY, SHADOW, Rates, Trial, TrialStore, Work

LOG = logging.getLogger("twotier.trials")

LOOK_SECONDS = 900.0
FREE_SECONDS = 60.0  # between two looks for what costs nothing
SOON_SECONDS = 20.0
DAY = timedelta(days=1)
PAUSE = timedelta(hours=20)  # between two orders for a job: once in each night
RUNS_MAX = 200
WATCHED = frozenset({TierPolicy.AUTO, TierPolicy.LOCAL_THEN_FRONTIER})
FRONTIER, LOCAL = TierPolicy.FRONTIER.value, TierPolicy.LOCAL_ONLY.value
PROOF_RUNS = 10  # of a job, within so many days: then its record has to speak
PROOF_NIGHT = 3
PROOF_FAILURES = 2
PROOF_DAYS = timedelta(days=90)
FREE_RATES = Rates()
MINE, PROVING = frozenset({QUALITY, PROOF}), frozenset({SHADOW, PROOF})
PROBE_BYTES, PROBE_TOKENS = 10_000, 1_000
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """So many of a hundred runs on the local tiers, for at most so much a day. `prove`: whether
    jobs of which nobody knows that the local tier would do are tried there and judged; `free`:
    whether that is done, and looked at by programs.
    """

    percent: float = 0.0
    limit_microusd: int = 0
    local_tiers: frozenset[str] = frozenset()
    prove: bool = False
    free: bool = False

    def takes(self, work: Work) -> bool:
        """Whether this piece is one of them."""
        return work.tier in self.local_tiers and drawn(work.run.id, self.percent)


def drawn(run: str, percent: float) -> bool:
    """Whether this run is one of so many of a hundred, by its name."""
    number = int.from_bytes(hashlib.blake2b(run.encode(), digest_size=8).digest())
    return number < percent / 100 * 2**64


def runs_of(works: Sequence[Work]) -> int:
    """How many runs they are of."""
    return len({work.run.id for work in works})


def to_prove(
    works: Sequence[Work], *, tried: int, failed: int, local_tiers: Collection[str]
) -> int:
    """How many of a job's last runs the local tier should be tried with: none where it did some
    itself, or failed twice (then its record has it tried again, later), and never many at once,
    for judging them costs money and a few may do.
    """
    done = failed >= PROOF_FAILURES or any(work.tier in local_tiers for work in works)
    if done or not local_tiers:
        return 0
    return min(runs_of(works), PROOF_NIGHT, max(0, PROOF_RUNS - tried))


def is_free(job: Job) -> bool:
    """Whether its owner leaves the tier to us."""
    return job.tier is TierPolicy.AUTO and job.model == "auto"


def to_prove_free(
    works: Sequence[Work], *, done: Collection[str], tried: int, local_tiers: Collection[str]
) -> int:
    """How many of a job's last runs, of which `works` has the newest first, the local tier is tried
    with for nothing: those since the newest of `done`, as long as it does none itself.
    """
    if not local_tiers or any(work.tier in local_tiers for work in works):
        return 0
    runs = dict.fromkeys(work.run.id for work in works)
    new = list(takewhile(lambda run: run not in done, runs))
    return min(len(new), PROOF_NIGHT, max(0, PROOF_RUNS - tried))


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
            soon = False
            try:
                soon = await self.once() > 0 or await self._open()
            except TwotierError as exc:
                LOG.warning("quality watch", extra={"because": exc.message})
            look = FREE_SECONDS if self._sample.free else LOOK_SECONDS
            await self._clock.sleep(SOON_SECONDS if soon else look)

    async def _open(self) -> bool:
        """Whether an order of ours is not over. It holds all of the day's dollars until it is, and
        another job may wait for what is left.
        """
        return any(one.kind in MINE for one in await self._store.open())

    async def once(self) -> int:
        """Order what is to be looked at now; how many jobs that concerns. Raises what main says."""
        window: Window | None = self._desk.around.window
        judges = not window or window.holds(self._clock.now())
        jobs, ordered = self._desk.around.jobs().values(), 0
        for job in jobs:
            ordered += self._sample.free and is_free(job) and await self._order_free(job)
        for job in jobs if judges else ():
            ordered += job.tier in WATCHED and await self._order(job)
        if ordered:
            self._desk.look()
        return ordered

    async def _order_free(self, job: Job) -> bool:
        """A proof that nobody is paid for, of runs that had none."""
        trials = await self._store.of_job(job.name)
        if any(one.kind in MINE and one.state == OPEN for one in trials):
            return False
        here = self._proofs(trials)
        works = await self._store.works(job, runs_max=PROOF_NIGHT)
        pairs = [row for one in here for row in await self._store.pairs(one.id)]
        runs = to_prove_free(
            [work for work in works if not work.gone],
            done={row["of_run"] for row in pairs},
            tried=sum(one.runs for one in here if one.free),
            local_tiers=self._sample.local_tiers,
        )
        if runs:
            await self._keep(job, PROOF, runs=runs)
        return bool(runs)

    def _proofs(self, trials: Sequence[Trial]) -> list[Trial]:
        """What the local tier was tried with of late; what the owner had tried is known as well."""
        since_ms = ms(self._clock.now() - PROOF_DAYS)
        here = [one for one in trials if one.kind in PROVING and one.side == "local"]
        return [one for one in here if one.made_ms > since_ms]

    async def _order(self, job: Job) -> bool:
        """One trial of a job's last day, if any is due."""
        now = self._clock.now()
        trials = await self._store.of_job(job.name)
        before = [one for one in trials if one.kind in MINE]
        if any(one.state == OPEN for one in before):
            return False
        if any(one.made_ms > ms(now - PAUSE) for one in before if not one.free):
            return False
        works = await self._store.works(job, runs_max=RUNS_MAX, after_ms=ms(now - DAY))
        works = [work for work in works if not work.gone]
        proofs = self._proofs(trials)
        tried = sum(one.runs for one in proofs if not one.free)
        failed = await self._failed(proofs)
        if any(map(self._sample.takes, works)):
            return await self._add(job, QUALITY, runs=runs_of(works))
        local_tiers = self._sample.local_tiers
        runs = to_prove(works, tried=tried, failed=failed, local_tiers=local_tiers)
        wanted = self._sample.prove and is_free(job) and bool(runs)
        return wanted and await self._add(job, PROOF, runs=runs)

    async def _failed(self, proofs: Sequence[Trial]) -> int:
        """How many pieces of them the local tier did not do well enough."""
        pairs = [row for one in proofs for row in await self._store.pairs(one.id)]
        said = [Pair(row["fits"], Verdict(row["verdict"]), True).serves for row in pairs]
        return said.count(False)

    async def _add(self, job: Job, kind: str, *, runs: int) -> bool:
        """The order, if there is money for it."""
        left = self._sample.limit_microusd - await self._spent()
        if left <= 0:
            LOG.info("quality watch", extra={"because": "its dollars of today are spent"})
            return False
        rates = await self._rates()
        await self._keep(job, kind, runs=runs, left=left, rates=rates)
        return True

    async def _keep(
        self, job: Job, kind: str, *, runs: int, left: int = 0, rates: Rates | None = None
    ) -> None:
        """The order; without rates nobody judges."""
        trial = Trial(
            id=f"{kind}-{secrets.token_hex(6)}",
            job=job.name,
            kind=kind,
            side=FRONTIER if kind == QUALITY else "local",
            policy=FRONTIER if kind == QUALITY else LOCAL,
            judge="" if rates is None else FRONTIER,
            runs=runs,
            stored=True,
            limit_microusd=left,
            rates=rates if rates and kind == QUALITY else FREE_RATES,
            judge_rates=rates or FREE_RATES,
            made_ms=ms(self._clock.now()),
        )
        await self._store.add(trial)
        LOG.info("quality watch", extra={"job": job.name, "kind": kind, "limit": usd(left)})

    async def _spent(self) -> int:
        """Of the last day; an order that is open may still spend all of its limit."""
        since = ms(self._clock.now() - DAY)
        mine = [one for one in await self._store.of_job() if one.kind in MINE]
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
