"""Trials: work that was done, done once more in another way, with what came out of both.

A trial never has effects; it is an order to ask again and compare. What it works on are the stored
items and answers of the job's own runs, so nothing is looked for and nothing delivered. Pairs are
stored as they are made: a kill loses the one that was under way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from twotier.domain.clock import Clock
from twotier.domain.job import Item, Job, Run, RunState
from twotier.errors import NotFoundError
from twotier.jobs.database import Database
from twotier.jobs.effects import NO_DEEDS, Deed, Deeds
from twotier.jobs.judging import Verdict
from twotier.jobs.lease import LEASE_SECONDS, now_ms
from twotier.jobs.store import instant, ms, run_of
from twotier.jobs.tables import (
    answers,
    items,
    outbox,
    runs,
    trial_pairs,
    trial_texts,
    trials,
    workers,
)
from twotier.verify.checks import Check

ALL = "all"  # the key of an answer about everything a run worked on
PIECES_PER_RUN_MAX = 3  # a run may have worked on fifty items; a few of each say as much
DONE_WELL = (RunState.DONE, RunState.LATE)
LISTS = (trial_texts.c.own_effects, trial_texts.c.other_effects, trial_texts.c.held)
NOT_OF_AN_ORDER = ("rates", "ended_ms", "owner")  # columns that stand in no field of a trial
OPEN, DONE, STOPPED = "open", "done", "stopped"
SHADOW, QUALITY, PROOF = "shadow", "quality", "proof"


@dataclass(frozen=True, slots=True)
class Rates:
    """What a million tokens cost at most where it is asked, in micro-dollars, in and out."""

    read: int = 0
    written: int = 0

    def bound(self, prompt_bytes: int, output_tokens: int) -> int:
        """The most a question may cost: a token is at least one byte."""
        return -(-(prompt_bytes * self.read + output_tokens * self.written) // 1_000_000)


@dataclass(frozen=True, slots=True)
class Trial:
    """An order. `kind` is `shadow`, `test`, `model`, `quality` (a shadow of a sample) or `proof` (a
    shadow that nobody ordered); `side` is where the other way is asked.

    `runs` of the job's runs are done again: the last ones where it is `stored`, else the next ones.
    `policy` and `model` say who is asked, `prompt` what, empty for the job's own. `judge` is a tier
    policy, empty for none. `at_once`: it does not wait for the hours of trials. `limit_microusd` is
    never passed. `swapped_from` is the tier that is loaded again when it is over.
    """

    id: str
    job: str
    kind: str
    side: str
    policy: str
    model: str = "auto"
    prompt: str = ""
    judge: str = ""
    runs: int = 10
    stored: bool = False
    at_once: bool = False
    limit_microusd: int = 0
    rates: Rates = field(default_factory=Rates)
    judge_rates: Rates = field(default_factory=Rates)
    spent_microusd: int = 0
    swapped_from: str = ""
    state: str = OPEN
    because: str = ""
    made_ms: int = 0

    @property
    def other_cheaper(self) -> bool:
        """Whether the other way is the cheaper one, which has to prove itself."""
        return not (self.kind in (SHADOW, QUALITY) and self.side == "frontier")

    @property
    def free(self) -> bool:
        """Whether it is a proof that nobody is paid for: done here, and looked at by programs."""
        return self.kind == PROOF and not self.judge


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of work that was done: what it was about, and what the job said.

    `gone`: the text of an item has expired, so it cannot be done again.
    """

    run: Run
    key: str
    items: tuple[Item, ...]
    said: str
    tier: str
    tokens: int
    cost_microusd: int
    gone: bool = False

    @property
    def title(self) -> str:
        """What it is about."""
        return self.items[0].title if self.key != ALL and self.items else ""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a piece of work came to the other way. `fits`: the cheaper one passed its checks. `by`:
    what verified its answer where nobody judged, as a run itself would know; empty for nothing.
    """

    other: str
    fits: bool
    checks: Sequence[Check]
    verdict: Verdict
    because: str = ""
    tier: str = ""
    model: str = ""
    tokens: int = 0
    cost_microusd: int = 0
    judge_microusd: int = 0
    seconds: float = 0.0
    deeds: Deeds = NO_DEEDS
    by: str = ""


class TrialStore:
    """The tables of trials, and a look at what runs have done. `owner` is this worker's name; one
    that was not heard of for `lease_seconds` is dead.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        owner: str = "",
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._lease_seconds = lease_seconds

    async def add(self, trial: Trial) -> None:
        """Keep an order."""
        row = {
            name: getattr(trial, name)
            for name in trials.c.keys()  # noqa: SIM118 - a collection of columns, no mapping
            if name not in (*NOT_OF_AN_ORDER, "made_ms")
        }
        rates = [trial.rates.read, trial.rates.written]
        rates += [trial.judge_rates.read, trial.judge_rates.written]
        row |= {"rates": json.dumps(rates), "made_ms": ms(self._clock.now())}
        await self._database.do(lambda connection: connection.execute(sa.insert(trials), [row]))

    async def trial(self, trial_id: str) -> Trial:
        """One order. Raises `NotFoundError`."""
        found = await self._trials(sa.select(trials).where(trials.c.id == trial_id))
        if not found:
            raise NotFoundError(f"there is no trial {trial_id!r}; see `twotier job trials`")
        return found[0]

    async def open(self) -> list[Trial]:
        """Those that are not over, or whose model is still in somebody else's place."""
        query = sa.select(trials).where((trials.c.state == OPEN) | (trials.c.swapped_from != ""))
        return await self._trials(query.order_by(trials.c.at_once.desc(), trials.c.made_ms))

    async def of_job(self, job: str = "") -> list[Trial]:
        """All of a job, or of all, the newest first."""
        query = sa.select(trials).order_by(trials.c.made_ms.desc())
        return await self._trials(query.where(trials.c.job == job) if job else query)

    async def take(self, trial_id: str) -> bool:
        """Whether this worker may go on with it: nobody who lives is at it. Then it is ours.

        A model that was loaded for it is given back by the machine that loaded it and by no other.
        """

        def work(connection: sa.Connection) -> bool:
            query = sa.select(trials).where(trials.c.id == trial_id)
            row = connection.execute(query).first()
            if row is None or (row.owner not in ("", self._owner) and self._busy(connection, row)):
                return False
            mine = sa.update(trials).where(trials.c.id == trial_id).values(owner=self._owner)
            connection.execute(mine)
            return True

        return await self._database.do(work) if self._database.shared else True

    def _busy(self, connection: sa.Connection, row: sa.Row[Any]) -> bool:
        """Whether the one who has it has to be waited for."""
        since_ms = now_ms(connection) - int(self._lease_seconds * 1_000)
        seen_ms = connection.scalar(sa.select(workers.c.seen_ms).where(workers.c.id == row.owner))
        return bool(row.swapped_from) or (seen_ms is not None and seen_ms >= since_ms)

    async def leave(self, trial_id: str) -> None:
        """Others may go on with it, unless a model here still has somebody's place."""
        ours = (trials.c.id == trial_id) & (trials.c.owner == self._owner)
        query = sa.update(trials).where(ours, trials.c.swapped_from == "").values(owner="")
        await self._database.do(lambda connection: connection.execute(query))

    async def change(self, trial_id: str, **values: object) -> None:
        """Set columns of an order."""
        query = sa.update(trials).where(trials.c.id == trial_id).values(**values)
        await self._database.do(lambda connection: connection.execute(query))

    async def end(self, trial_id: str, *, state: str, because: str) -> None:
        """It is over."""
        await self.change(trial_id, state=state, because=because, ended_ms=ms(self._clock.now()))

    async def spend(self, trial_id: str, microusd: int) -> None:
        """Count what was paid for it."""
        await self.change(trial_id, spent_microusd=trials.c.spent_microusd + microusd)

    async def keep(self, trial: Trial, work: Work, *, compared: Compared) -> None:
        """The evidence of one piece, and both texts."""
        key = {"trial": trial.id, "item": work.key, "job": trial.job}
        pair = key | {
            "of_run": work.run.id,
            "fits": compared.fits,
            "checks": json.dumps([[one.name, one.passed, one.detail] for one in compared.checks]),
            "verdict": compared.verdict.value,
            "own_tier": work.tier,
            "own_tokens": work.tokens,
            "own_cost_microusd": work.cost_microusd,
            "made_ms": ms(self._clock.now()),
        }
        same = ("tier", "model", "tokens", "cost_microusd", "judge_microusd", "seconds")
        pair |= {name: getattr(compared, name) for name in same}
        pair |= {"effects": compared.deeds.word}
        text = key | {"run": work.run.id, "title": work.title, "own": work.said}
        text |= {"other": compared.other, "because": compared.because}
        text |= {name: json_of(deeds) for name, deeds in lists_of(compared.deeds)}

        def do(connection: sa.Connection) -> None:
            for table, run, row in (
                (trial_pairs, trial_pairs.c.of_run, pair),
                (trial_texts, trial_texts.c.run, text),
            ):
                same = (table.c.trial == trial.id) & (table.c.item == work.key)
                connection.execute(sa.delete(table).where(same, run == work.run.id))
                connection.execute(sa.insert(table), [row])

        await self._database.do(do)

    async def pairs(self, trial_id: str) -> list[dict[str, Any]]:
        """The evidence so far, with both texts where they are still there."""
        texts = trial_texts.c
        query = (
            sa.select(trial_pairs, texts.title, texts.own, texts.other, texts.because, *LISTS)
            .outerjoin(
                trial_texts,
                (texts.trial == trial_pairs.c.trial)
                & (texts.run == trial_pairs.c.of_run)
                & (texts.item == trial_pairs.c.item),
            )
            .where(trial_pairs.c.trial == trial_id)
            .order_by(trial_pairs.c.made_ms)
        )
        rows = await self._database.do(
            lambda connection: [dict(row) for row in connection.execute(query).mappings()]
        )
        lists = ("checks", *(column.name for column in LISTS))
        return [row | {name: json.loads(row[name] or "[]") for name in lists} for row in rows]

    async def done_for(self, trial_id: str) -> set[tuple[str, str]]:
        """The pieces that have their pair: run and key."""
        query = sa.select(trial_pairs.c.of_run, trial_pairs.c.item)
        query = query.where(trial_pairs.c.trial == trial_id)
        return await self._database.do(
            lambda connection: {(row.of_run, row.item) for row in connection.execute(query)}
        )

    async def busy(self) -> bool:
        """Whether a run is on its way; one that waits for its owner is not in anybody's way."""
        query = sa.select(runs.c.id).where(runs.c.state.in_((RunState.DUE, RunState.RUNNING)))
        return await self._database.do(
            lambda connection: connection.execute(query.limit(1)).first() is not None
        )

    async def works(self, job: Job, *, runs_max: int, after_ms: int | None = None) -> list[Work]:
        """What the job's last good runs did, or its first ones after an instant."""
        answered = runs.c.id.in_(sa.select(answers.c.run))
        query = sa.select(runs).where(runs.c.job == job.name, runs.c.state.in_(DONE_WELL), answered)
        if after_ms is None:
            query = query.order_by(runs.c.slot_ms.desc())
        else:
            query = query.where(runs.c.ended_ms > after_ms).order_by(runs.c.slot_ms)

        def work(connection: sa.Connection) -> list[Work]:
            found = [run_of(row) for row in connection.execute(query.limit(runs_max))]
            return [one for run in found for one in works_of(connection, run)]

        return await self._database.do(work)

    async def _trials(self, query: sa.Select[Any]) -> list[Trial]:
        return await self._database.do(
            lambda connection: [trial_of(row) for row in connection.execute(query).mappings()]
        )


def lists_of(deeds: Deeds) -> list[tuple[str, Sequence[Deed]]]:
    """The columns of what was done, and would have been."""
    return [("own_effects", deeds.own), ("other_effects", deeds.other), ("held", deeds.held)]


def json_of(deeds: Sequence[Deed]) -> str:
    """As it is stored."""
    return json.dumps([one.json() for one in deeds])


def works_of(connection: sa.Connection, run: Run) -> list[Work]:
    """The pieces of a run that have a stored answer; a few of many."""
    query = (
        sa.select(answers, outbox.c.text.label("said"))
        .join(outbox, (outbox.c.run == answers.c.run) & (outbox.c.item == answers.c.item))
        .where(answers.c.run == run.id)
        .order_by(answers.c.made_ms, answers.c.item)
        .limit(PIECES_PER_RUN_MAX)
    )
    mine = items_of(connection, run)
    return [
        work_of(run, row, mine=[item for item in mine if row["item"] in (ALL, item.id)])
        for row in connection.execute(query).mappings()
    ]


def work_of(run: Run, row: sa.RowMapping, *, mine: Sequence[Item]) -> Work:
    """A stored answer with the items it is about."""
    missing = row["item"] != ALL and not mine
    return Work(
        run=run,
        key=row["item"],
        items=tuple(mine),
        said=row["said"],
        tier=row["tier"],
        tokens=row["tokens"],
        cost_microusd=row["cost_microusd"],
        gone=missing or any(not item.text for item in mine) or bool(run.items and not mine),
    )


def items_of(connection: sa.Connection, run: Run) -> list[Item]:
    """What a run worked on, as far as it is still there."""
    query = sa.select(items).where(items.c.run == run.id).order_by(items.c.tries, items.c.place)
    return [
        Item(
            row.id,
            row.title,
            row.text,
            row.source,
            row.bytes_cut,
            author=row.author,
            at=row.at,
            link=row.link,
        )
        for row in connection.execute(query)
    ]


def trial_of(row: sa.RowMapping) -> Trial:
    """A row as an order."""
    read, written, judge_read, judge_written = json.loads(row["rates"])
    named = {name: value for name, value in row.items() if name not in NOT_OF_AN_ORDER}
    judge = Rates(judge_read, judge_written)
    return Trial(**named, rates=Rates(read, written), judge_rates=judge)


def shown(trial: Trial) -> dict[str, Any]:
    """An order as JSON."""
    names = ("id", "job", "kind", "side", "model", "judge", "runs", "stored", "at_once", "state")
    document = {name: getattr(trial, name) for name in names}
    made = instant(trial.made_ms).isoformat()
    return document | {
        "because": trial.because,
        "limit_microusd": trial.limit_microusd,
        "spent_microusd": trial.spent_microusd,
        "made_at": made,
    }
