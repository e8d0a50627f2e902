"""Which jobs are worth a change, and why, from how they went. Pure.

Three kinds of job are looked for: one that pays the frontier for what the local tier was seen to
do as well; one that asks a model at each look, though a watcher could look for nothing; one on the
local tier that fails. What is suggested is a command for the owner to give, never a change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from twotier.domain.money import MICROUSD_PER_USD
from twotier.jobs.proposal import Pace, Proposal

FAILED_SHARE_MIN = 0.2
RUNS_MIN = 5
POLLING_SECONDS_MAX = 6 * 3_600.0  # who asks more rarely than that is not polling


@dataclass(frozen=True, slots=True)
class Record:
    """How a job went of late. `side` is where its answers came from, `local` or `frontier`.

    `failed_by_model` of `runs` failed, and not for want of a tier. `same_answers` of its answers
    said word for word what the one before had said. `served_local` answers came from the local tier
    though most come from the frontier. `proposal` is what the last comparison proved, None where
    there was none; `costs_more_microusd` is what a month on the other tier cost in it.
    """

    job: str
    side: str
    local_only: bool
    watched: bool
    period_seconds: float | None
    runs: int
    failed_by_model: int
    same_answers: int
    served_local: int
    pace: Pace
    proposal: Proposal | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that is worth a change. `proven`: the evidence is there, only the owner's word is not.

    `microusd_a_month` is what the change saves, or the most that it can; below 0 what it costs.
    """

    job: str
    kind: str
    because: str
    command: str
    proven: bool
    microusd_a_month: float


def suggest(records: Iterable[Record]) -> list[Candidate]:
    """All candidates: proven ones first, then by what is at stake."""
    found = [one for record in records for one in of(record)]
    return sorted(found, key=lambda one: (not one.proven, -one.microusd_a_month, one.job))


def of(record: Record) -> Iterator[Candidate]:
    """Those of one job."""
    if record.side == "frontier":
        yield from dear(record)
    if not record.watched and polls(record):
        yield unwatched(record)
    if record.side == "local" and fails(record):
        yield failing(record)


def dear(record: Record) -> Iterator[Candidate]:
    """A job that pays: the local tier has proven itself, or has not been tried."""
    proposal = record.proposal
    if proposal is not None and proposal.ready:
        yield Candidate(
            record.job,
            "local",
            f"{proposal.good} of {proposal.counted} as good on the local tier; at least"
            f" {proposal.percent_min:.0f} % with 95 % certainty",
            f"twotier job set {record.job} tier=local-then-frontier",
            True,
            proposal.saved_microusd_a_month,
        )
        return
    if record.pace.cost_microusd <= 0:
        return
    because = "it pays the frontier, and the local tier was not tried"
    if proposal is not None:
        because = f"not yet: {proposal.good} of {proposal.counted} as good; {proposal.missing}"
    elif record.served_local:
        because = f"the local tier has answered {record.served_local} times when it had to"
    command = f"twotier job shadow {record.job} --runs 10"
    yield Candidate(record.job, "shadow", because, command, False, record.pace.microusd_a_month)


def polls(record: Record) -> bool:
    """Whether it asks a model often, and mostly hears the same, or pays for it."""
    often = record.period_seconds is not None and record.period_seconds <= POLLING_SECONDS_MAX
    return often and record.runs >= RUNS_MIN and record.pace.pieces > 0


def unwatched(record: Record) -> Candidate:
    """A look costs a model call each time, also where there is nothing."""
    same = f", {record.same_answers} of them said the same again" if record.same_answers else ""
    return Candidate(
        record.job,
        "watcher",
        f"it asked a model {record.pace.pieces} times without looking first{same}",
        f"give {record.job} a [watch]: nothing new, no model call",
        False,
        record.pace.microusd_a_month,
    )


def fails(record: Record) -> bool:
    """Whether the model is what its runs fail by."""
    return (
        record.runs >= RUNS_MIN
        and not record.local_only
        and record.failed_by_model / record.runs >= FAILED_SHARE_MIN
    )


def failing(record: Record) -> Candidate:
    """A job that the local tier does not do well enough."""
    return Candidate(
        record.job,
        "frontier",
        f"the local tier failed in {record.failed_by_model} of {record.runs} runs",
        f"twotier job shadow {record.job} --runs 10",
        False,
        0.0,
    )


def a_month(microusd: float) -> str:
    """Dollars a month, for people: `$4.10 a month`."""
    return f"${microusd / MICROUSD_PER_USD:,.2f} a month"
