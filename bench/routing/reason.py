"""Reasoning with short answers: a local answer is kept where a second local model says the same.

The ladder is twotier's own (`verify.ladder`); whether two answers agree is the table's, which has
no texts of answers. Nothing is learned and nothing is set to these rows, so a random split and one
that leaves a source out are the same for it; for the text alone they are not.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.figures import Figure
from bench.routing import Row, rows
from bench.routing.stats import Outcomes, auc, folds, leave_out, ranked, score, share_for
from bench.routing.text import by_kind, by_words
from twotier.verify.ladder import PLANS, End, Seen, next_rung, verdict

TABLE = "reason_zeroeval.jsonl.gz"
STRONG, WEAK, SECOND = "sonnet35", "llama31_70b", "qwen2_72b"
AIM = "99 % of the frontier's quality at <= 35 % of its calls"
PART = 0.99


def figures() -> Iterator[Figure]:
    """The policy, beside what text alone does. Raises `SkippedError`."""
    table = rows(TABLE)
    outcomes = outcomes_of(table)
    sent = [escalated(row) for row in table]
    yield Figure("reasoning, a second local answer", AIM, str(score(outcomes, sent)))
    for source in dict.fromkeys(row["source"] for row in table):
        mine = [row for row in table if row["source"] == source]
        seen = score(outcomes_of(mine), [escalated(row) for row in mine])
        yield Figure(f"reasoning, {source} alone", "", str(seen))
    yield from texts(table, outcomes, share=sum(sent) / len(sent))


def outcomes_of(table: list[Row]) -> Outcomes:
    """Who was right."""
    strong, weak = ([float(row[f"{name}_ok"]) for row in table] for name in (STRONG, WEAK))
    return Outcomes(strong, weak)


def escalated(row: Row) -> float:
    """1 where the ladder sends the task up."""
    found = [Seen("checks", True)]
    assert next_rung(PLANS["second"], found) == "second"
    found.append(Seen("second", bool(row[f"agree_{WEAK}_{SECOND}"])))
    return float(verdict(found).end is End.ESCALATE)


def texts(table: list[Row], outcomes: Outcomes, *, share: float) -> Iterator[Figure]:
    """What the words of a task do at the same share, and what they need for the same quality."""
    prompts, groups = [row["prompt"] for row in table], [row["source"] for row in table]
    bad = [1 - ok for ok in outcomes.weak]
    rules = score(outcomes, by_kind(prompts))
    yield Figure("reasoning, the router's guess by words", "", str(rules))
    splits = {"random split": folds(len(table)), "each source left out": leave_out(groups)}
    for name, split in splits.items():
        needs = by_words(prompts, bad, splits=split)
        seen = score(outcomes, ranked(outcomes, needs, share))
        least = share_for(outcomes, needs, PART)
        area = auc([one > 0.5 for one in bad], needs)
        told = f"{seen}; needs {least:.1%} of calls for {PART:.0%}; AUROC local fails {area:.3f}"
        yield Figure(f"reasoning, words alone, {name}", "", told)
