"""Fixing bugs as an agent: a local run is kept where a verifier passes it, and handed over where a
guard speaks.

Ladder and guards are twotier's own (`verify.ladder`, `verify.guards`). The verifier is played at
stated rates, as a project's own tests would be: it catches 70 % of bad results and cries at 10 % of
good ones; what is shown is the mean of many seeds, and how far single seeds lie apart. The guard
knows what other runs needed and how those that went on as long ended: of the rows it may learn
from, once by a random split and once with the whole repository left out.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bench.figures import Figure
from bench.routing import Row, rows
from bench.routing.stats import (
    Outcomes,
    Split,
    auc,
    folds,
    leave_out,
    percentile,
    ranked,
    score,
)
from bench.routing.text import by_kind, by_words
from twotier.verify.guards import Flight, Usual, fired, usual_of
from twotier.verify.ladder import End, Seen, verdict

TABLE = "agent_swe.jsonl.gz"
CATCHES, CRIES = 0.7, 0.1
SEEDS = 200


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models, the count of the local one's steps, what is aimed at."""

    strong: str
    weak: str
    steps: str
    aim: str


PAIRS = (
    Pair("opus45med", "m2", "m2_calls", ">= 95 % of the frontier's quality at <= 35 % of tasks"),
    Pair("opus46", "m25", "m25_steps", "the better model's quality at <= 25 % of tasks"),
)


def figures() -> Iterator[Figure]:
    """Both pairs. Raises `SkippedError`."""
    table = rows(TABLE)
    for pair in PAIRS:
        yield from of_pair(pair, table)


def of_pair(pair: Pair, table: list[Row]) -> Iterator[Figure]:
    """Verified alone, guarded alone, both, and the words of the task. Costs are dollars where the
    table has them.
    """
    strong, weak = ([float(row[f"{one}_ok"]) for row in table] for one in (pair.strong, pair.weak))
    costs = [float(row.get(f"{pair.strong}_usd") or 0) for row in table]
    outcomes = Outcomes(strong, weak, costs if all(costs) else ())
    name = f"bug fixes, {pair.strong} and {pair.weak}"
    nobody = [False] * len(table)
    yield told(f"{name}, verified", pair.aim, outcomes=outcomes, guarded=nobody)
    splits = {
        "random split": list(folds(len(table))),
        "each repository left out": list(leave_out([row["repo"] for row in table])),
    }
    for split, parts in splits.items():
        guarded = handed_over(pair, table, splits=parts)
        alone = score(outcomes, [float(one) for one in guarded])
        yield Figure(f"{name}, guard on steps alone, {split}", "", str(alone))
        yield told(f"{name}, verified and guarded, {split}", "", outcomes=outcomes, guarded=guarded)
    yield from texts(name, table, outcomes=outcomes, splits=splits)


def told(name: str, aim: str, *, outcomes: Outcomes, guarded: Sequence[bool]) -> Figure:
    """Of many seeds of the verifier: what each row is sent on average is what is scored."""
    each = [escalated(outcomes, guarded, seed=seed) for seed in range(SEEDS)]
    mean = [statistics.fmean(row) for row in zip(*each, strict=True)]
    shares = [statistics.fmean(one) for one in each]
    qualities = [outcomes.quality(one) for one in each]
    seeds = ", ".join(
        f"{word} {percentile(values, 0.05):.3f} to {percentile(values, 0.95):.3f}"
        for word, values in (("quality", qualities), ("share", shares))
    )
    return Figure(name, aim, f"{score(outcomes, mean)}; nine of ten seeds: {seeds}")


def escalated(outcomes: Outcomes, guarded: Sequence[bool], *, seed: int) -> list[float]:
    """Whom the guard hands over, and whom the verifier does not pass, by one seed."""
    chance = random.Random(seed)
    sent = []
    for ok, gone in zip(outcomes.weak, guarded, strict=True):
        cries = chance.random() < (CRIES if ok else CATCHES)
        found = verdict([Seen("checks", True), Seen("command", not cries)])
        sent.append(float(gone or found.end is End.ESCALATE))
    return sent


def handed_over(pair: Pair, table: list[Row], *, splits: Iterable[Split]) -> list[bool]:
    """Whose run goes on for so long that a guard speaks, by what others needed."""
    gone = [False] * len(table)
    for split in splits:
        usual = usual_of(
            (table[row][pair.steps], bool(table[row][f"{pair.weak}_ok"])) for row in split.learn
        )
        for row in split.ask:
            gone[row] = passes_over(table[row][pair.steps], usual)
    return gone


def passes_over(steps: int, usual: Usual) -> bool:
    """Whether a guard speaks before the last step of a run."""
    return any(fired(Flight(steps=step), usual) is not None for step in range(1, steps + 1))


def texts(
    name: str, table: list[Row], *, outcomes: Outcomes, splits: dict[str, list[Split]]
) -> Iterator[Figure]:
    """What the words of a task do at the share that the verified policy has."""
    prompts, bad = [row["prompt"] for row in table], [1 - ok for ok in outcomes.weak]
    yield Figure(f"{name}, the router's guess by words", "", str(score(outcomes, by_kind(prompts))))
    share = CATCHES * statistics.fmean(bad) + CRIES * (1 - statistics.fmean(bad))
    for split, parts in splits.items():
        needs = by_words(prompts, bad, splits=parts)
        area = auc([one > 0.5 for one in bad], needs)
        seen = score(outcomes, ranked(outcomes, needs, share))
        yield Figure(f"{name}, words alone, {split}", "", f"{seen}; AUROC local fails {area:.3f}")
