"""What a run is made of, and how its end is told. Pure.

A part is a piece of a run with one answer. What became of the parts is a tally, and the tally
becomes a state and one sentence.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from twotier.domain.job import Item, Job, Run, RunState
from twotier.domain.steps import Steps
from twotier.jobs.prompt import counted
from twotier.jobs.store import Ended
from twotier.tools.splitting import Split

ALL = "all"  # the key of an answer about everything the run works on


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a run with one answer: one item, all items, or none for a job without watcher.

    `stored`: its answer was there before this run's steps were, and is only to be delivered.
    `split`: what was picked of its items, where they were too long to be sent.
    """

    job: Job
    run: Run
    key: str
    items: tuple[Item, ...]
    stored: bool = False
    split: Split | None = None

    @property
    def title(self) -> str:
        """What the answer is about."""
        return self.items[0].title if self.key != ALL and self.items else ""

    @property
    def item_ids(self) -> list[str]:
        """The items that are done when this part is."""
        return [item.id for item in self.items]


@dataclass(slots=True)
class Tally:
    """What a run has done so far. `failures` holds the kind of each and its sentence, `left_out`
    the sentences about what was found and is nothing to work on. `skipped`: why the rest of it is
    not done at all. `told` is what is worth telling of how answers came about.
    """

    parts: int = 0
    items: int = 0
    done: int = 0
    places: list[str] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    skipped: str = ""
    told: list[str] = field(default_factory=list)

    def failed(self, made: Mapping[str, Any]) -> None:
        """Note why a part has no answer."""
        self.skipped = str(made.get("skipped", self.skipped))
        if "because" in made:
            self.failures.append(("model", str(made["because"])))

    def made(self, made: Mapping[str, Any]) -> None:
        """Note how an answer came about, where that is worth telling."""
        self.told += list(made.get("told", ()))

    def delivered(self, told: Mapping[str, str]) -> None:
        """Note what became of an answer."""
        if "because" in told:
            self.failures.append(("delivery", told["because"]))
        else:
            self.done += 1
            self.places.append(told["place"])


@dataclass(frozen=True, slots=True)
class Worked:
    """What became of a part that an agent worked on. `failed` is empty or the sentence of why.

    `tier` and `model` gave the last answer by `rule`, `request` is what main calls it. The sums are
    those of all its calls, as they are shown beside the answer. `told` is what the run tells of how
    it went, `looked` whether a local tier's result was found good, None for a tie, and by what.
    `gave_up` is the tier that another one had to carry on from.
    """

    text: str
    failed: str = ""
    tier: str = ""
    model: str = ""
    rule: str = ""
    request: str = ""
    tokens: int = 0
    cost_microusd: int = 0
    told: tuple[str, ...] = ()
    looked: tuple[bool | None, str] | None = None
    gave_up: str = ""


AskMain = Callable[[Any], Awaitable[Any]]  # a Chat of the agent's, and what main Said to it


@dataclass(frozen=True, slots=True)
class Asking:
    """How a part is asked: its question, the way to main, and what takes the answer apart."""

    question: Any
    ask: AskMain
    checked: Callable[..., str]


class Verifies(Protocol):
    """Looks at the answer of a part, and has the frontier tier asked where that is needed."""

    async def verified(
        self, part: Part, made: Mapping[str, Any], *, asking: Asking, steps: Steps
    ) -> dict[str, Any]:
        """What was made, or what the other tier made of it. `made` holds the `text`, or what is
        `wrong` with what was `said`; so does what is given back.
        """
        ...

    def wants(self, job: Job, tier: str) -> bool:
        """Whether an answer of this tier is looked at."""
        ...


class Agents(Protocol):
    """Works on the parts of jobs that have tools. `verifier` looks at what local tiers answer, for
    all jobs.
    """

    @property
    def verifier(self) -> Verifies:
        """Who looks at answers."""
        ...

    def wants(self, job: Job) -> bool:
        """Whether this job is one of them."""
        ...

    async def work(self, part: Part, *, ask: AskMain, steps: Steps) -> Worked:
        """Do it, step by step. `ask` waits for a tier, and counts what was paid."""
        ...


def ended(job: Job, run: Run, *, tally: Tally) -> Ended:
    """The run's end in one sentence. Delivery comes last: alone, it may still be made good."""
    result = told_short(tally.places)
    left_out = left_out_text(tally.left_out)
    if tally.failures or (left_out and not tally.done and not tally.skipped):
        kinds = sorted({kind for kind, _ in tally.failures}, key=lambda kind: kind == "delivery")
        told = [f"{kind}: {sentences(tally.failures, kind)}" for kind in kinds]
        told += [left_out] if left_out else []
        done = f" ({tally.done} of {tally.parts} done)" if tally.parts else ""
        return Ended(RunState.FAILED, "; ".join(told) + done, result)
    if tally.skipped:
        done = f" ({tally.done} of {tally.parts} done)" if tally.done else ""
        return Ended(RunState.SKIPPED, tally.skipped + done, result)
    if job.watch is not None and not tally.items:
        return Ended(RunState.QUIET, "nothing new")
    because = counted(tally.items, "new item") if job.watch is not None else "asked"
    because += f"; {left_out}" if left_out else ""
    because += f"; {first_three(tally.told)}" if tally.told else ""
    if run.late:
        return Ended(RunState.LATE, f"{because}; due while twotier was not running", result)
    return Ended(RunState.DONE, because, result)


def told_short(places: Sequence[str]) -> str:
    """Where results went, short enough for a table."""
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return ", ".join(places[:3]) + more


def left_out_text(left_out: Sequence[str]) -> str:
    """What was found and not worked on; empty where there was none."""
    return f"{counted(len(left_out), 'file')} left out: {first_three(left_out)}" if left_out else ""


def sentences(failures: Sequence[tuple[str, str]], kind: str) -> str:
    """The different sentences of one kind of failure, the first three of them."""
    return first_three([text for found, text in failures if found == kind])


def first_three(texts: Sequence[str]) -> str:
    """The different ones, and how many more there are."""
    told = list(dict.fromkeys(texts))
    return "; ".join(told[:3]) + (f"; and {len(told) - 3} more" if len(told) > 3 else "")


def named(part: Part, message: str) -> str:
    """A failure with the item it is about."""
    return f"{part.title}: {message}" if part.title else message
