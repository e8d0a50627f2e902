"""The part of the worker's private API that is about trials.

    GET  /suggestions                  -> {"candidates": [...]}
    POST /jobs/{name}/trials           an order; `dry` only tells what it would be
    GET  /trials?job=NAME
    GET  /trials/{id}?wait_seconds=S   with its pairs and what they prove
    POST /trials/{id}/stop

Who may be asked is decided here, once: texts of a `local-only` job never leave this machine, not to
be tried and not to be judged.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from twotier.domain.job import Job
from twotier.domain.money import MICROUSD_PER_USD
from twotier.domain.tier import TierPolicy
from twotier.errors import ForbiddenError, RequestError
from twotier.jobs.again import most
from twotier.jobs.api import WAIT_SECONDS_MAX, number, said
from twotier.jobs.records import FRONTIER, LOCAL, Records
from twotier.jobs.scheduler import Scheduler
from twotier.jobs.suggesting import suggest
from twotier.jobs.trial_desk import MODEL, TrialDesk
from twotier.jobs.trials import Rates, Trial, TrialStore, shown

SHADOW, TEST = "shadow", "test"
RUNS_MAX = 200
POLICY = {LOCAL: TierPolicy.LOCAL_ONLY, FRONTIER: TierPolicy.FRONTIER}
OTHER = {LOCAL: FRONTIER, FRONTIER: LOCAL}


class Wanted(BaseModel):
    """An order as it comes. `rates` are micro-dollars per million tokens, in and out, of whoever is
    asked, and then of the judge.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: str
    runs: int = Field(10, ge=1, le=RUNS_MAX)
    stored: bool = False
    side: str = ""
    model: str = "auto"
    prompt: str = ""
    judge: str = ""
    at_once: bool = False
    limit_microusd: int = Field(0, ge=0)
    rates: tuple[int, int, int, int] = (0, 0, 0, 0)
    dry: bool = False


class Trials:
    """What can be asked of it."""

    def __init__(
        self, scheduler: Scheduler, store: TrialStore, *, records: Records, desk: TrialDesk
    ) -> None:
        self._scheduler = scheduler
        self._store = store
        self._records = records
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """For `Api.app`."""
        return [
            Route("/suggestions", self._suggestions),
            Route("/jobs/{name}/trials", self._order, methods=["POST"]),
            Route("/trials", self._trials),
            Route("/trials/{id}", self._trial),
            Route("/trials/{id}/stop", self._stop, methods=["POST"]),
        ]

    async def _suggestions(self, _: Request) -> JSONResponse:
        records = [await self._records.record(job) for job in self._scheduler.jobs.values()]
        return said({"candidates": [asdict(one) for one in suggest(records)]})

    async def _order(self, request: Request) -> JSONResponse:
        job = self._scheduler.job(request.path_params["name"])
        try:
            wanted = Wanted.model_validate_json(await request.body())
        except ValidationError as exc:
            told = "; ".join(f"{one['loc'][0]}: {one['msg']}" for one in exc.errors())
            raise RequestError(f"an order of a trial needs other values: {told}") from exc
        trial = await self._made(job, wanted)
        plan = await self._plan(job, trial)
        if wanted.dry:
            return said({"plan": plan})
        if trial.stored and not plan["pieces"]:
            raise RequestError(nothing(job, gone=plan["gone"]))
        await self._store.add(trial)
        self._desk.look()
        return said({"trial": trial.id, "plan": plan}, status=202)

    async def _made(self, job: Job, wanted: Wanted) -> Trial:
        """The order, with who is asked. Raises `RequestError` and `ForbiddenError`."""
        if wanted.kind not in (SHADOW, TEST, MODEL):
            raise RequestError("kind is one of shadow, test, model")
        own = await self._records.side(job)
        side = LOCAL if wanted.kind == MODEL else wanted.side or OTHER.get(own, "")
        policy = job.tier if wanted.kind == TEST else POLICY.get(side)
        if policy is None:
            raise RequestError(
                f"{job.name} has not answered yet, so nobody knows which is its other tier; say"
                " --tier local or --tier frontier"
            )
        if job.tier is TierPolicy.LOCAL_ONLY and policy is not TierPolicy.LOCAL_ONLY:
            raise ForbiddenError(
                f"{job.name} is local-only: its texts do not leave this machine, not to be compared"
                " either; try another local model with `twotier models try`"
            )
        read, written, judge_read, judge_written = wanted.rates
        return Trial(
            id=f"trial-{secrets.token_hex(6)}",
            job=job.name,
            kind=wanted.kind,
            side=own if wanted.kind == TEST else side,
            policy=policy.value,
            model=wanted.model if wanted.kind == MODEL else self._model(job, wanted),
            prompt=wanted.prompt,
            judge=judge_of(job, wanted),
            runs=wanted.runs,
            stored=wanted.stored or wanted.kind != SHADOW,
            at_once=wanted.at_once or wanted.kind == TEST,
            limit_microusd=wanted.limit_microusd,
            rates=Rates(read, written),
            judge_rates=Rates(judge_read, judge_written),
        )

    @staticmethod
    def _model(job: Job, wanted: Wanted) -> str:
        """A test asks whom the job asks; the other tier is asked for what it has."""
        return job.model if wanted.kind == TEST else "auto"

    async def _plan(self, job: Job, trial: Trial) -> dict[str, Any]:
        """What it would be: pieces there are, texts that are gone, and how much is to be read."""
        works = await self._store.works(job, runs_max=trial.runs)
        left = [work for work in works if not work.gone]
        return {
            "side": trial.side,
            "policy": trial.policy,
            "model": trial.model,
            "judge": trial.judge,
            "stored": trial.stored,
            "pieces": len(left),
            "gone": [{"run": work.run.id, "title": work.title} for work in works if work.gone],
            "own_tokens": sum(work.tokens for work in left),
            **most(left, job),
        }

    async def _trials(self, request: Request) -> JSONResponse:
        found = await self._store.of_job(request.query_params.get("job", ""))
        return said({"trials": [shown(one) for one in found]})

    async def _trial(self, request: Request) -> JSONResponse:
        seconds = number(request, "wait_seconds", default=0, most=WAIT_SECONDS_MAX)
        trial = await self._desk.ended(request.path_params["id"], within_seconds=seconds)
        proposal = asdict(await self._records.proposal(trial))
        saved = proposal["saved_microusd_a_month"] / MICROUSD_PER_USD
        proposal |= {"saved_usd_a_month": f"{saved:.2f}"}
        pairs = await self._store.pairs(trial.id)
        return said({"trial": shown(trial), "pairs": pairs, "proposal": proposal})

    async def _stop(self, request: Request) -> JSONResponse:
        await self._desk.stop(request.path_params["id"], "stopped by hand")
        return said({"trial": shown(await self._store.trial(request.path_params["id"]))})


def judge_of(job: Job, wanted: Wanted) -> str:
    """The policy by which the judge is asked; empty for none. Private texts stay here.

    Nobody here can judge while the model that is tried has the place of the one that could.
    """
    if wanted.judge in ("", "none"):
        return ""
    if wanted.judge not in POLICY:
        raise RequestError("judge is one of frontier, local, none")
    local = job.tier is TierPolicy.LOCAL_ONLY or wanted.judge == LOCAL
    if local and wanted.kind == MODEL:
        return ""
    return POLICY[LOCAL if local else FRONTIER].value


def nothing(job: Job, *, gone: list[Any]) -> str:
    """Why there is nothing to do again."""
    if gone:
        return (
            f"the texts of all that {job.name} has worked on have expired; keep them longer with"
            " [retention] items_days"
        )
    return f"{job.name} has no run with an answer yet; `twotier job run {job.name}` makes one"
