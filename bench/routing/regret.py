"""Thirty runs of each ready job, decided by the product's own rules and record on a turned clock.

Nothing asks a model: whether an answer is right is drawn by chance, by a model of how good the
local tier is at this job. What is looked at are the decisions. Each job is run as if its owner had
left the tier to twotier, at its template's own times; they differ for the router by their prompt,
their trigger and how often they come, so those that are alike in that have the same figures.

Two worlds. `told`: every result is verified and rightly so (a test, the owner), and a bad one is
bad. `checked`: a check catches 70 % of bad answers and finds fault with 10 % of good ones, and what
it finds bad on the local tier the frontier does again.

A job that nobody knows is proven as the product does it: by free proofs, in which the world's own
check looks at what the local tier says as soon as the frontier's run has ended, and, where that is
switched on, by nights in which the frontier judges.

A run costs 1 where the frontier was paid, a proof in the night `JUDGED`, and `FAILED` more where
its result is bad, which is what the rule itself takes a failure for; `DEARER` shows it for an owner
who takes it for more. Regret is what that comes to beyond the better of two fixed tiers (both in
the same world), whichever that is for this job and model in the mean of all seeds, as a part of its
loss. It is told of all that came until run 10, in which something has to be learned, of run 10 by
itself, and of the runs behind, by which it should be known. Each job has luck of its own.
"""

from __future__ import annotations

import os
import random
import re
import statistics
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from importlib import resources
from typing import Any
from zlib import crc32

import msgspec

from bench.figures import Figure
from bench.routing.stats import percentile
from bench.virtual import VirtualClock, frontier_spec, local_spec
from twotier.domain.job import POLL_TOKENS_MAX, Run, RunState
from twotier.domain.known import Known
from twotier.domain.message import Request
from twotier.domain.money import Price
from twotier.domain.task import Asking, Caller
from twotier.domain.tier import TierFacts, TierState
from twotier.domain.verdict import Verdict
from twotier.jobs.quality import to_prove, to_prove_free
from twotier.jobs.trials import Work
from twotier.learned.records import Records
from twotier.router.estimate import estimate
from twotier.router.names import Names
from twotier.router.recheck import Hours
from twotier.router.tree import Router

RUNS, EARLY, SEEDS = 30, 10, 24
SEED_VARIABLE, SHADOW_SEEDS = "TWOTIER_REGRET_SEED", 1 << 40
FAILED, DEARER = 4.0, 10.0
# How often a check sees that an answer is bad, and how often it takes a good one for bad.
WORLDS = {"told": (1.0, 0.0), "checked": (0.7, 0.1)}
FRONTIER_RIGHT = 0.95
SHADOWED = 10
# Two short answers over the material and both texts: a tenth of an agent's run, a whole plain one.
JUDGED = 0.5
AIM = "<= 15 % by run 10"
LOCAL, FRONTIER = (
    local_spec(),
    frontier_spec(
        Price(5_000_000, 25_000_000, 500_000, 6_250_000, 10_000_000, "2026-02-05", "list")
    ),
)
NAMES = Names((LOCAL, FRONTIER), {}, lambda _, __: True)
FACTS = {name: TierFacts(name, TierState.READY) for name in ("local", "frontier")}
HOUR = 3_600.0
# How often each runs by its template's defaults; a folder that is watched gets a file a day.
EVERY = {
    "blog-post": 24 * HOUR, "comment-check": HOUR / 2, "mail-check": HOUR / 2,
    "market-brief": 24 * HOUR, "mention-check": HOUR / 2, "refactor": 168 * HOUR,
    "research": 24 * HOUR, "spend-check": HOUR / 4, "x-scan": 6 * HOUR,
}  # fmt: skip
# How often the local tier is right, by the number of the run.
MODELS: Mapping[str, Callable[[int], float]] = {
    "good": lambda _: 0.97,
    "bad": lambda _: 0.35,
    "falls in the middle": lambda run: 0.95 if run < RUNS // 2 else 0.3,
    "flaky": lambda _: 0.75,
}


@dataclass(frozen=True, slots=True)
class Job:
    """A template as the router sees it."""

    name: str
    request: Request
    kind: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Luck:
    """What chance has for one run, whoever does it: whether local and frontier are right, and what
    a check of each would say.
    """

    local: bool
    frontier: bool
    local_passes: bool
    frontier_passes: bool


@dataclass(slots=True)
class Told:
    """What runs came to: whether the frontier was chosen, the paid calls, the bad results, and what
    was paid for judging in the night before. In a world of checks what fails is `escalated`.
    """

    escalates: bool
    chosen: list[bool] = field(default_factory=list)
    paid: list[float] = field(default_factory=list)
    bad: list[float] = field(default_factory=list)
    judged: list[float] = field(default_factory=list)

    def add(self, luck: Luck, *, frontier: bool) -> None:
        """One run."""
        escalated = self.escalates and not frontier and not luck.local_passes
        right = luck.frontier if frontier or escalated else luck.local
        self.chosen.append(frontier)
        self.paid.append(float(frontier or escalated))
        self.bad.append(float(not right))
        self.judged.append(0.0)

    def loss(self, failed: float, since: int = 0, until: int = RUNS) -> float:
        """Of some of the runs."""
        paid = sum(self.paid[since:until]) + sum(self.judged[since:until])
        return paid + failed * sum(self.bad[since:until])


def jobs() -> list[Job]:
    """The ready ones; what its owner is to write asks nothing yet."""
    folder = resources.files("twotier.config") / "templates"
    return [
        job_of(entry.name.removesuffix(".toml"), tomllib.loads(entry.read_text("utf-8")))
        for entry in sorted(folder.iterdir(), key=lambda one: one.name)
        if entry.name.removesuffix(".toml") in EVERY
    ]


def job_of(name: str, template: Mapping[str, object]) -> Job:
    """One of them, by its prompt and its trigger."""
    text = str(template["job"])
    prompt = next(line for line in text.splitlines() if line.startswith("prompt = "))
    body = {
        "model": "auto",
        "max_tokens": 400,
        "messages": [{"role": "user", "content": prompt.partition('"')[2].rstrip('"')}],
    }
    head = str(body["messages"])[:600]
    tools = 2 if "\ntools = " in text else 0
    request = Request("openai_chat", msgspec.json.encode(body), "auto", head_text=head, tools=tools)
    length = re.search(r"^output_tokens_max = (\d+)", text, re.MULTILINE)
    short = length is None or int(length[1]) <= POLL_TOKENS_MAX
    kind = "polling" if "[watch]" in text and short else ""
    return Job(name, request, kind, EVERY[name])


def lucks(model: Callable[[int], float], seed: int, *, world: str) -> list[Luck]:
    """The same for every policy."""
    chance = random.Random(seed)
    catches, alarms = WORLDS[world]

    def passes(right: bool) -> bool:
        return chance.random() < (1 - alarms if right else 1 - catches)

    found = []
    for run in range(RUNS):
        local, frontier = chance.random() < model(run), chance.random() < FRONTIER_RIGHT
        found.append(Luck(local, frontier, passes(local), passes(frontier)))
    return found


@dataclass(frozen=True, slots=True)
class Proves:
    """`[routing.quality]`: `free` is `prove_free`, `judged` is `prove`."""

    free: bool = True
    judged: bool = False


DEFAULT = Proves()


@dataclass(slots=True)
class Proofs:
    """What `[routing.quality]` does: runs that the frontier has done are done again here, as long
    as nobody knows the job. `night` has those of a day judged, `after` has the last one looked at
    by what looks at the job's answers. `day` holds the runs since the last night, with the tier.
    """

    records: Records
    job: Job
    escalates: bool
    day: list[tuple[str, str, Luck]] = field(default_factory=list)
    tried: int = 0
    failed: int = 0
    free: int = 0

    def after(self) -> None:
        """The last run has ended."""
        run, tier, luck = self.day[-1]
        works = [work_of(run, tier)]
        if to_prove_free(works, done=(), tried=self.free, local_tiers={"local"}):
            self.free += 1
            self._tell(run, luck)

    def _tell(self, run: str, luck: Luck) -> None:
        good, redone = luck.local_passes, self.escalates
        verdict = Verdict(self.job.name, "local", good, "trial", run, "all", redone=redone)
        self.records.tell(verdict)
        self.failed += not good

    def night(self) -> float:
        """One night; what its judging cost."""
        works = [work_of(run, tier) for run, tier, _ in self.day]
        runs = to_prove(works, tried=self.tried, failed=self.failed, local_tiers={"local"})
        for run, _, luck in self.day[-runs:] if runs else ():
            self._tell(run, luck)
        self.tried += runs
        self.day.clear()
        return runs * JUDGED


def work_of(run: str, tier: str) -> Work:
    """A run as the watch over quality sees it."""
    at = datetime(2026, 3, 2, tzinfo=UTC)
    return Work(Run(run, "job", at, RunState.DONE), "all", (), "", tier, 0, 0)


def replayed(
    job: Job,
    luck: Sequence[Luck],
    *,
    escalates: bool,
    shadow: Sequence[bool] = (),
    proves: Proves = DEFAULT,
) -> Told:
    """Thirty runs as the product decides them. `shadow`: verdicts of a shadow run before."""
    clock = VirtualClock(datetime(2026, 3, 2, 6, 30, tzinfo=UTC))
    records = Records(clock)
    records.hours = Hours(time(1), time(6), "UTC")
    for spec in (LOCAL, FRONTIER):
        records.follow(spec)
    for number, good in enumerate(shadow):
        redone = escalates
        name = f"shadow-{number}"
        records.tell(Verdict(job.name, "local", good, "trial", name, redone=redone))
    router, told, proofs = Router(NAMES), Told(escalates), Proofs(records, job, escalates)
    proofs.tried, proofs.failed = len(shadow), shadow.count(False)
    for number, one in enumerate(luck):
        before = clock.now().date()
        clock.turn(job.seconds)
        judged = 0.0
        if proves.judged and clock.now().date() > before:
            judged = proofs.night()
        run = f"{job.name}-{number}"
        caller = Caller(
            True, "worker", job.name, run, "all:1", job.kind, period_seconds=job.seconds
        )
        asking = Asking(job.request, estimate(job.request, caller), caller)
        recheck = records.recheck(job.name, (run, "all"))
        known = Known(job.name, records.of(job.name), recheck=recheck)
        decision = router.decide(asking.task, FACTS, known=known)
        frontier = decision.options[0].tier == "frontier"
        proofs.day.append((run, "frontier" if frontier else "local", one))
        told.add(one, frontier=frontier)
        told.judged[-1] = judged
        if not frontier:
            redone = escalates
            good = one.local_passes
            records.tell(Verdict(job.name, "local", good, "checks", run, "all", redone=redone))
        if told.paid[-1]:
            records.tell(Verdict(job.name, "frontier", one.frontier_passes, "checks", run, "all"))
        if proves.free:
            proofs.after()
    return told


def blind(luck: Sequence[Luck], chosen: Sequence[bool], *, escalates: bool) -> Told:
    """What was chosen without a look at anything."""
    told = Told(escalates)
    for one, frontier in zip(luck, chosen, strict=True):
        told.add(one, frontier=frontier)
    return told


@dataclass(frozen=True, slots=True)
class Cell:
    """One job under one model of the local tier, over all seeds."""

    ours: Sequence[Told]
    local: Sequence[Told]
    frontier: Sequence[Told]

    def best(self, failed: float, since: int, until: int) -> Sequence[float]:
        """The losses of the tier that is better in the mean of all its runs."""
        losses = [[one.loss(failed) for one in side] for side in (self.local, self.frontier)]
        side = self.local if sum(losses[0]) <= sum(losses[1]) else self.frontier
        return [one.loss(failed, since, until) for one in side]


def regret(cells: Sequence[Cell], failed: float, since: int, until: int) -> tuple[float, ...]:
    """As a part of the better fixed tier's loss, of all cells together; with its interval."""
    chance = random.Random(1)
    ours = [[told.loss(failed, since, until) for told in cell.ours] for cell in cells]
    best = [cell.best(failed, since, until) for cell in cells]

    def part(seeds: Sequence[int]) -> float:
        mine = sum(row[seed] for row in ours for seed in seeds)
        theirs = sum(row[seed] for row in best for seed in seeds)
        return (mine - theirs) / theirs if theirs else float("inf")

    every = range(len(ours[0]))
    seen = [part(chance.choices(every, k=len(every))) for _ in range(300)]
    return part(every), percentile(seen, 0.025), percentile(seen, 0.975)


def cell_of(
    job: Job,
    model: Callable[[int], float],
    *,
    world: str,
    shadowed: bool = False,
    proves: Proves = DEFAULT,
) -> Cell:
    """All seeds."""
    ours, local, frontier = [], [], []
    escalates = world == "checked"
    for seed in seeds_of(job.name):
        luck = lucks(model, seed, world=world)
        before = lucks(lambda _: model(0), seed + SHADOW_SEEDS, world=world)[:SHADOWED]
        shadow = [one.local_passes for one in before] if shadowed else []
        ours.append(replayed(job, luck, escalates=escalates, shadow=shadow, proves=proves))
        local.append(blind(luck, [False] * RUNS, escalates=escalates))
        frontier.append(blind(luck, [True] * RUNS, escalates=escalates))
    return Cell(ours, local, frontier)


def seeds_of(job: str) -> list[int]:
    """The job's own; `TWOTIER_REGRET_SEED` moves them all, to see whether others say the same."""
    moved = int(os.environ.get(SEED_VARIABLE, "0"))
    return [crc32(f"{job} {moved + seed}".encode()) for seed in range(SEEDS)]


def shuffled(cells: Mapping[tuple[str, str], Cell], world: str) -> list[Cell]:
    """Our own choices, dealt to other jobs, models and runs."""
    chance = random.Random(2)
    choices = [one for cell in cells.values() for told in cell.ours for one in told.chosen]
    chance.shuffle(choices)
    dealt, found = iter(choices), []
    for (job, name), cell in cells.items():
        ours = [
            blind(
                lucks(MODELS[name], seed, world=world),
                [next(dealt) for _ in range(RUNS)],
                escalates=world == "checked",
            )
            for seed in seeds_of(job)
        ]
        found.append(Cell(ours, cell.local, cell.frontier))
    return found


HOW: Mapping[str, Mapping[str, Any]] = {
    "from nothing": {},
    "from nothing, prove = true too": {"proves": Proves(judged=True)},
    "from nothing, no proofs": {"proves": Proves(free=False)},
    "a shadow of ten runs before": {"shadowed": True},
}


def figures() -> Iterator[Figure]:
    """Both worlds, from nothing and after a shadow run."""
    ready = jobs()
    for world in WORLDS:
        for how, settings in HOW.items():
            cells = {
                (job.name, name): cell_of(job, model, world=world, **settings)
                for job in ready
                for name, model in MODELS.items()
            }
            yield from of_cells(cells, f"{world}, {how}", world=world)


def of_cells(cells: Mapping[tuple[str, str], Cell], how: str, *, world: str) -> Iterator[Figure]:
    """All of them, then model by model and job by job, then who always or blindly does the same."""
    every = list(cells.values())
    yield Figure(f"regret, {how}", AIM, told_of(every))
    yield Figure(f"regret, {how}, failures at {DEARER:g}", "", told_of(every, failed=DEARER))
    for place, names in enumerate(zip(*cells, strict=True)):
        for name in dict.fromkeys(names):
            mine = [cell for key, cell in cells.items() if key[place] == name]
            kind = "local " if place else ""
            yield Figure(f"regret, {how}, {kind}{name}", "", told_of(mine))
    controls = {
        "always local": [Cell(cell.local, cell.local, cell.frontier) for cell in every],
        "always frontier": [Cell(cell.frontier, cell.local, cell.frontier) for cell in every],
        "shuffled": shuffled(cells, world),
    }
    for name, control in controls.items():
        yield Figure(f"regret, {how}, {name}", "", told_of(control))


def told_of(cells: Sequence[Cell], failed: float = FAILED) -> str:
    """Early and late, with the share of runs on the frontier and of bad results."""
    spans = {
        "runs 1-10": (0, EARLY),
        "run 10": (EARLY - 1, EARLY),
        "runs 11-30": (EARLY, RUNS),
        "all": (0, RUNS),
    }
    parts = []
    for name, (since, until) in spans.items():
        value, low, high = regret(cells, failed, since, until)
        parts.append(f"{name} {value:+.1%} [{low:+.1%}, {high:+.1%}]")
    runs = [told for cell in cells for told in cell.ours]
    best = statistics.fmean(x for cell in cells for x in cell.best(failed, 0, RUNS)) / RUNS
    each = statistics.fmean(told.loss(failed) for told in runs) / RUNS - best
    share = statistics.fmean(statistics.fmean(told.chosen) for told in runs)
    bad = statistics.fmean(statistics.fmean(told.bad) for told in runs)
    more = f"{each:+.2f} paid calls a run; {share:.0%} of runs on the frontier, {bad:.1%} bad"
    return f"{'; '.join(parts)}; {more}"
