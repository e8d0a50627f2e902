"""Lengths of answers: who starts on the local tier and misses its deadline?

The length of an answer is predicted as twotier does it: by the kind of work, from answers of the
same model that came before (here: the other folds), as a spread. The row `time` decides who starts
locally. While the answer is written the guard `late` looks at the clock, as often as twotier does:
at the last moment at which the frontier would still be in time with a long answer, it gets the work
if the local tier would not be, and all of it is written anew. Both are the product's own.

Assumed, from public reports on a Mac Studio with MiniMax-M2.5 (4 bit): 50 tokens/s of writing while
short, 32 at 8K and 25 at 30K tokens of depth, 400 tokens/s of reading; the frontier begins after
1.5 s and writes 80 tokens/s. Each answer's rates vary by a factor (log-normal, sigma 0.15, seeded).
The frontier's answer is taken to be as long as the local one. Nobody reads along before the end.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from bench.decision import spec
from bench.figures import Figure
from bench.routing import Row, rows
from bench.routing.stats import bootstrap, folds, spearman
from twotier.domain.known import Known
from twotier.domain.message import Request
from twotier.domain.task import Caller, Task
from twotier.overseer import LOOK_SECONDS, usual_of
from twotier.router import seconds
from twotier.router.answers import Answers
from twotier.router.estimate import estimate
from twotier.router.row import Choice
from twotier.router.speed import Prediction
from twotier.verify import guards
from twotier.verify.guards import Flight

TABLE = "length_arenahard.jsonl.gz"
MODELS = {"arena_hard_v01": "gpt4_0314_out", "arena_hard_v2": "o3mini_out"}
DEADLINES_SECONDS = (30.0, 60.0, 120.0)
AIM = "< 2 % after guards"
TIERS = (spec("local", local=True), spec("frontier", local=False))
LOCAL_READS, FRONTIER_BEGINS, FRONTIER_WRITES = 400.0, 1.5, 80.0
DEPTHS = ((1_000.0, 50.0), (8_000.0, 32.0), (30_000.0, 25.0))
SIGMA = 0.15


@dataclass(frozen=True, slots=True)
class Asked:
    """One of them: what was estimated, how long its answer was, how fast the tiers were by luck."""

    task: Task
    known: Known
    tokens: float
    local_luck: float
    frontier_luck: float

    @property
    def local(self) -> float:
        """Seconds it takes here, in truth."""
        return here(self.task.prompt_tokens, self.tokens) * self.local_luck

    @property
    def frontier(self) -> float:
        """Seconds it takes there, in truth."""
        return there(self.tokens) * self.frontier_luck


def figures() -> Iterator[Figure]:
    """For each source. Raises `SkippedError`."""
    table = rows(TABLE)
    for source, column in MODELS.items():
        mine = [row for row in table if row["source"] == source and row[column]]
        asked = foreseen(mine, column)
        told = spearman([_p50(one) for one in asked], [one.tokens for one in asked])
        short = spearman([-one.task.prompt_tokens for one in asked], [one.tokens for one in asked])
        yield Figure(
            f"length, {source}: Spearman", "", f"{told:.2f}; fewer words asked {short:.2f}"
        )
        over = sum(one.tokens > one.known.output.p90 for one in asked if one.known.output)
        yield Figure(f"length, {source}: above p90", "10 %", f"{over / len(asked):.1%}")
        for deadline in DEADLINES_SECONDS:
            yield missed(f"length, {source}: misses of {deadline:.0f} s", asked, deadline)


def foreseen(table: Sequence[Row], column: str) -> list[Asked]:
    """What was known of each before it was asked: learned from the other folds."""
    chance = random.Random(0)
    tasks = [task_of(row["prompt"]) for row in table]
    found: dict[int, Asked] = {}
    for split in folds(len(table)):
        answers = Answers()
        for row in split.learn:
            answers.note("model", tasks[row].work, tokens=round(table[row][column]))
        for row in split.ask:
            task = tasks[row]
            output = answers.spread(task.work, limit=None)
            timed = {
                "local": Prediction(
                    0.0, task.prompt_tokens / LOCAL_READS, writing(task.prompt_tokens, output.p90)
                ),
                "frontier": Prediction(FRONTIER_BEGINS, 0.0, output.p90 / FRONTIER_WRITES),
            }
            known = Known(output=output, seconds=timed)
            lucky, luckily = (math.exp(chance.gauss(0, SIGMA)) for _ in range(2))
            found[row] = Asked(task, known, table[row][column], lucky, luckily)
    return [found[row] for row in range(len(table))]


def task_of(prompt: str) -> Task:
    """As a client would ask."""
    size = len(prompt.encode())
    request = Request("openai_chat", b"{}", "auto", head_text=prompt, text_bytes=size)
    return estimate(request, Caller())


def missed(name: str, asked: Sequence[Asked], deadline: float) -> Figure:
    """Of those that start locally."""
    begun = [one for one in asked if starts(one, deadline)]
    if not begun:
        return Figure(name, AIM, "nothing starts locally: too little time for a long answer")
    ends = [guarded(one, deadline) for one in begun]
    late = [float(end > deadline) for end, _ in ends]
    (interval,) = bootstrap([lambda some: sum(late[row] for row in some) / len(some)], len(late))
    bare = sum(one.local > deadline for one in begun) / len(begun)
    handed = sum(moved for _, moved in ends) / len(ends)
    others = sum(one.frontier > deadline for one in asked if not starts(one, deadline))
    total = (sum(late) + others) / len(asked)
    return Figure(
        name,
        AIM,
        f"{interval} of {len(begun) / len(asked):.0%} that start locally; without the guard"
        f" {bare:.3f}; handed over {handed:.1%}; of all requests {total:.3f}"
        " are late, all local"
        f" {sum(one.local > deadline for one in asked) / len(asked):.3f}, all frontier"
        f" {sum(one.frontier > deadline for one in asked) / len(asked):.3f}",
    )


def starts(one: Asked, deadline: float) -> bool:
    """Whether the row `time` lets it start here."""
    task = replace(one.task, deadline_seconds=deadline)
    return not isinstance(seconds.decide(task, one.known, tiers=TIERS), Choice)


def guarded(one: Asked, deadline: float) -> tuple[float, bool]:
    """When it ends, and whether the frontier ended it."""
    usual = usual_of(one.known.output, one.known.seconds["frontier"])
    gone, prompt = 0.0, one.task.prompt_tokens / LOCAL_READS * one.local_luck
    while gone < one.local:
        written = one.tokens * max(0.0, gone - prompt) / (one.local - prompt)
        flight = Flight(
            tokens=round(written),
            seconds=max(0.0, gone - prompt),
            left_seconds=deadline - gone,
        )
        if guards.late(flight, usual):
            return gone + one.frontier, True
        gone += LOOK_SECONDS
    return one.local, False


def here(prompt: float, output: float) -> float:
    """Seconds on the local tier."""
    return prompt / LOCAL_READS + writing(prompt, output)


def writing(prompt: float, output: float) -> float:
    """Seconds of writing, at the rate of the depth in the middle of the answer."""
    return output / decode(prompt + output / 2)


def decode(depth: float) -> float:
    """Tokens a second at a depth: between what was measured by the logarithm of the depth."""
    (low, fast), *others = DEPTHS
    if depth <= low:
        return fast
    for high, slow in others:
        if depth <= high:
            part = math.log(depth / low) / math.log(high / low)
            return fast + (slow - fast) * part
        low, fast = high, slow
    return fast


def there(output: float) -> float:
    """Seconds at the frontier."""
    return FRONTIER_BEGINS + output / FRONTIER_WRITES


def _p50(one: Asked) -> float:
    return one.known.output.p50 if one.known.output is not None else 0.0
