"""What happens in a day, all of it drawn from the seed before the day begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

from tests.simulator.people import Question
from tests.simulator.upstreams import FRONTIER_FAULTS, LOCAL_FAULTS, Fault, Row
from twotier.domain.job import Job
from twotier.domain.money import Budget
from twotier.domain.tier import TierPolicy

DAY_SECONDS = 86_400.0
SLOT_SECONDS = 1_800.0
# Ordinary days, days on which clocks are set, the leap day, and the last day of a year.
DAYS = (
    *("2026-03-03", "2026-06-17", "2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01"),
    *("2028-02-29", "2026-12-31"),
)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
# How many of each at most, and after how many awaits. Two kinds of kill are aimed: at the moment
# after the last byte of an answer, in main and in the worker.
MISHAPS = {
    "kill main": (3, 60),
    "kill main billed": (2, 12),
    "kill worker": (3, 60),
    "kill worker answered": (2, 12),
    "stop main": (1, 1),
    "child dies": (3, 1),
    "child hangs": (2, 1),
}
CRONS = ("30 2 * * *", "15 1 * * *", "0 7 * * *", "30 23 * * *", "0 */6 * * *")
INBOX = {
    "kind": "files",
    "path": "inbox",
    "match": ("*.txt",),
    "settle_seconds": 0.0,
    "item_bytes_max": 4_000,
    "items_max": 20,
}


@dataclass(frozen=True)
class Act:
    """Something that befalls the program. `steps` are awaits of its process after that moment."""

    at: float
    what: str
    steps: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Plan:
    """All of a day."""

    start: datetime
    questions: Sequence[Question]
    drops: Sequence[float]
    frontier_faults: Sequence[Fault]
    local_faults: Sequence[Fault]
    acts: Sequence[Act]
    budgets: Sequence[Budget]
    jobs: Sequence[Job]
    event_seconds: tuple[float, float]

    @property
    def steps_clock(self) -> bool:
        """Whether the wall clock is set in it."""
        return any(act.what == "clock" for act in self.acts)


def plan_of(seed: int, *, home: str) -> Plan:
    """The day of a seed."""
    chance = Random(f"plan {seed}")
    start = datetime.fromisoformat(chance.choice(DAYS)).replace(tzinfo=UTC)
    questions = questions_of(chance)
    return Plan(
        start,
        questions,
        sorted(chance.uniform(0, DAY_SECONDS) for _ in range(chance.randint(0, 8))),
        faults_of(chance, FRONTIER_FAULTS, questions),
        faults_of(chance, LOCAL_FAULTS, questions),
        acts_of(chance, questions),
        budgets_of(chance),
        jobs_of(chance, home),
        chance.choice(((0.001, 0.02), (0.01, 0.3), (0.05, 2.0))),
    )


def questions_of(chance: Random) -> list[Question]:
    """Bursts of people at a keyboard. No two questions have the same price."""
    found: list[Question] = []
    prices: set[int] = set()
    for _ in range(chance.randint(4, 12)):
        at = chance.uniform(0, DAY_SECONDS - 3_000)
        pace = chance.choice((0.3, 5.0, 60.0))
        for _ in range(chance.randint(1, 12)):
            at += chance.expovariate(1 / pace)
            made = question_of(chance, len(found), at=at)
            row = Row(0.0, made.filler, made.words)
            if row.microusd not in prices:
                prices.add(row.microusd)
                found.append(made)
    return found


def question_of(chance: Random, number: int, *, at: float) -> Question:
    """One of them."""
    return Question(
        at=at,
        number=number,
        words=chance.randint(1, 120),
        filler=50 + 7 * number,
        model=chance.choice(("frontier", "frontier", "auto", "local")),
        dialect=chance.choice(("messages", "chat", "responses")),
        stream=chance.random() < 0.7,
        leaves_after=chance.choice((0.001, 0.05, 0.5, 3.0)) if chance.random() < 0.2 else None,
    )


def near(chance: Random, questions: Sequence[Question]) -> float:
    """A moment at which something goes on: a slot of a job, a question; sometimes any other."""
    kind = chance.random()
    if kind < 0.2:
        return chance.uniform(60, DAY_SECONDS - 600)
    if kind < 0.5:
        return SLOT_SECONDS * chance.randint(1, 47) + chance.uniform(-0.1, 2.0)
    return max(0.0, chance.choice(questions).at + chance.uniform(-1.0, 4.0))


def faults_of(chance: Random, kinds: Sequence[str], questions: Sequence[Question]) -> list[Fault]:
    """Storms of one kind, and of all."""
    found = []
    for _ in range(chance.randint(1, 6)):
        begin = max(0.0, near(chance, questions) - 30)
        mixed = chance.random() < 0.5
        some = tuple(kinds) if mixed else (chance.choice(kinds),)
        share = chance.choice((0.2, 0.5, 1.0))
        found.append(Fault(begin, begin + chance.choice((60.0, 600.0, 7_200.0)), share, some))
    return found


def acts_of(chance: Random, questions: Sequence[Question]) -> list[Act]:
    """Kills, deaths, hangs, full disks and clocks that are set."""
    found = []
    for what, (count, steps_usual) in MISHAPS.items():
        for _ in range(chance.randint(0, count)):
            steps = int(chance.expovariate(1 / steps_usual))
            found.append(Act(near(chance, questions), what, steps))
    if chance.random() < 0.25:
        found.append(Act(near(chance, questions), "crash loop", seconds=900.0))
    if chance.random() < 0.25:
        seconds = chance.choice((5.0, 60.0, 600.0))
        found.append(Act(near(chance, questions), "disk full", seconds=seconds))
    if chance.random() < 0.25:
        seconds = chance.choice((3_600.0, -3_600.0, 86_400.0, -86_400.0, 5.0, -5.0))
        found.append(Act(chance.uniform(3_600, DAY_SECONDS - 3_600), "clock", seconds=seconds))
    return sorted(found, key=lambda act: act.at)


def budgets_of(chance: Random) -> list[Budget]:
    """A limit a day, which may be small; perhaps one of the work in the background beside it."""
    limit = chance.choice((60_000, 200_000, 1_000_000, 5_000_000))
    kind = chance.choice(("local-only", "stop"))
    zone = chance.choice(ZONES)
    found = [Budget("all", "day", zone, limit_microusd=limit, at_limit=kind)]
    if chance.random() < 0.4:
        found.append(Budget("jobs", "day", zone, limit_microusd=limit // 2, work="background"))
    return found


def jobs_of(chance: Random, home: str) -> list[Job]:
    """A watcher, one that asks every so often, one by the clock on the wall."""

    def job(name: str, **more: Any) -> Job:
        common: dict[str, Any] = {
            "name": name,
            "prompt": f"Work of {name}. now say {chance.randint(2, 60)} words",
            "every_seconds": None,
            "cron": "",
            "zone": chance.choice(ZONES),
            "watch": None,
            "tier": chance.choice((TierPolicy.AUTO, TierPolicy.FRONTIER, TierPolicy.LOCAL_ONLY)),
            "model": "auto",
            "deliver": "file:out/{job}/{run}.txt",
            "each": False,
            "answer_lines": 0,
            "output_tokens_max": 400,
            "deadline_seconds": chance.choice((60.0, 600.0, 3_600.0)),
            "missed": chance.choice(("once", "skip", "within:1800")),
            "enabled": True,
            "root": home,
            "overlap": chance.choice(("skip", "queue", "replace")),
        }
        return Job(**{**common, **more})

    every = SLOT_SECONDS * chance.choice((1, 2, 3))
    each = chance.random() < 0.5
    deliver = "file:out/watches/{run}-{stem}.txt" if each else "file:out/watches/{run}.txt"
    return [
        job("watches", watch=INBOX, every_seconds=SLOT_SECONDS, each=each, deliver=deliver),
        job("often", every_seconds=every),
        job("daily", cron=chance.choice(CRONS)),
    ]
