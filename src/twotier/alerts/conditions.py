"""Which conditions hold, from what the parts of the program say of themselves. Pure.

A source that cannot be asked says nothing: its incidents then stay as they are. Since when a thing
holds is measured by `Lasting`, in monotonic seconds that are handed in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from twotier.alerts.incidents import PORT_KEY, SERVER, Look, lasted
from twotier.domain.alert import Condition, Severity
from twotier.domain.job import JobStanding
from twotier.domain.money import BudgetState
from twotier.domain.tier import TierFacts, TierState
from twotier.ledger.crossings import SCOPE as BUDGET
from twotier.router.drift import Drift

JOB = "job:"
RAN_KEY = "jobs:none-ran"
LEDGER_KEY = "ledger:unwritable"
QUALITY = "quality:"
WORKER = "worker"


@dataclass(frozen=True, slots=True)
class Limits:
    """From when on a person hears of it."""

    down_seconds: float = 300.0
    failures: int = 3
    waiting: int = 2  # slots that a job let go because its local tier was down


@dataclass(slots=True)
class Lasting:
    """For how long each of some things has held without a break, by its name."""

    _since: dict[str, float] = field(default_factory=dict)

    def seconds(self, holding: Collection[str], *, now: float) -> dict[str, float]:
        """Of those that hold now; what does not is forgotten."""
        self._since = {name: self._since.get(name, now) for name in holding}
        return {name: now - since for name, since in self._since.items()}


def down(facts: TierFacts) -> bool:
    """Whether it should answer and does not. One that a person stopped is down, as it should be."""
    if facts.state is TierState.DOWN:
        return facts.lost or not facts.because.startswith("stopped")
    return facts.state in (TierState.COMING_UP, TierState.QUARANTINED)


def servers(
    facts: Mapping[str, TierFacts], lasting: Mapping[str, float], *, limits: Limits
) -> Look:
    """The servers of this machine, the worker's too. `lasting`: seconds that each has been down.

    An incident that is open already stays so while its server is down, however short that is: the
    program may have been started anew meanwhile.
    """
    holds = []
    for name, seconds in lasting.items():
        if seconds >= limits.down_seconds:
            because = facts[name].because or facts[name].state.value
            text = f"not ready for {lasted(seconds)}: {because}{_way_out(name)}"
            holds.append(Condition(SERVER + name, name, "down", text))
    return Look(holds, (SERVER,), frozenset(SERVER + name for name in lasting))


def _way_out(name: str) -> str:
    return "; see worker.log" if name == WORKER else f"; `twotier engine why {name}` shows more"


def silent_worker(facts: Mapping[str, TierFacts]) -> Mapping[str, TierFacts]:
    """The facts with a worker that does not answer, whatever its keeper still thinks of it."""
    said = "it does not answer on its socket"
    silent = TierFacts(WORKER, TierState.DOWN, said, lost=True)
    ready = WORKER in facts and facts[WORKER].state is TierState.READY
    return {**facts, WORKER: silent} if ready else facts


def jobs(standings: Sequence[JobStanding], *, limits: Limits) -> Look:
    """Jobs that fail or cannot look again and again, that do not run, or none that runs at all."""
    holds = [*_failing(standings, limits)]
    late = {one.name: one.overdue_seconds for one in standings if one.overdue_seconds > 0}
    if late and len(late) == len(standings):
        text = (
            f"no job has run for {lasted(min(late.values()))} past its time ({', '.join(late)});"
            " see worker.log, then `twotier down` and `twotier up`"
        )
        holds.append(Condition(RAN_KEY, "jobs", "none-ran", text, Severity.URGENT))
        return Look(holds, (JOB, RAN_KEY), frozenset(JOB + name for name in late))
    told = {one.key for one in holds}
    for name, seconds in late.items():
        if JOB + name not in told:
            text = f"should have run {lasted(seconds)} ago; `twotier job show {name}` shows more"
            holds.append(Condition(JOB + name, f"job {name}", "not-run", text))
    return Look(holds, (JOB, RAN_KEY))


def _failing(standings: Iterable[JobStanding], limits: Limits) -> Iterable[Condition]:
    for one in standings:
        if one.failures < limits.failures and one.waiting < limits.waiting:
            continue
        kind, what = "failing", f"its last {one.failures} runs failed"
        if one.blind >= limits.failures:
            kind, what = "stale", f"its watcher could not look {one.blind} times in a row"
        elif one.waiting >= limits.waiting:
            kind, what = "waits", f"it waits for its local tier, {one.waiting} slots so far"
        text = f"{what}; {one.because}; `twotier runs --job {one.name}` shows more"
        yield Condition(JOB + one.name, f"job {one.name}", kind, text)


def ports(taken: Mapping[str, str]) -> Look:
    """Ports of an older server that somebody else has, by address with the reason."""
    text = "; ".join(taken.values())
    holds = [Condition(PORT_KEY, "gateway", "port", f"also_ports: {text}")] if taken else []
    return Look(holds, (PORT_KEY,))


def quality(drifts: Sequence[Drift]) -> Look:
    """Tiers whose verified answers are worse of late than before. What was told stays until that
    has passed, also after a restart.
    """
    kind = "quality"
    holds = [
        Condition(QUALITY + one.tier, one.tier, kind, _fall(one)) for one in drifts if one.sure
    ]
    return Look(holds, (QUALITY,), frozenset(QUALITY + one.tier for one in drifts))


def _fall(one: Drift) -> str:
    return (
        f"of its last {one.count} verified answers {one.good} were good, where by the record before"
        f" {one.expected:.1f} were to be expected; most are missing at {one.key}; `twotier record"
        f" {one.key}` shows more"
    )


def ledger(failed: str) -> Look:
    """Whether the ledger can be written; `failed` is the sentence if not."""
    holds = [Condition(LEDGER_KEY, "ledger", "unwritable", failed, Severity.URGENT)]
    return Look(holds if failed else (), (LEDGER_KEY,))


def budgets(crossed: Sequence[Condition], states: Sequence[BudgetState]) -> Look:
    """Every threshold crossed now. A forecast goes up and down: it is said once a period."""
    begun = {state.since.isoformat() for state in states}
    return Look(crossed, (BUDGET,), lasting=tuple(f"-forecast:{since}" for since in sorted(begun)))
