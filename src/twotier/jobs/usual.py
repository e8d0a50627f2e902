"""What earlier runs of a job needed on its local tiers: what a run under way is held against."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Set
from typing import Any

import sqlalchemy as sa

from twotier.domain.job import RunState
from twotier.jobs.tables import calls, runs
from twotier.verify.guards import Usual, usual_of

RUNS_MAX = 30
STEP = re.compile(r"(?P<turn>.*):\d+")  # of a turn; what looks at an answer is called otherwise
GOOD = (RunState.DONE.value, RunState.LATE.value)
ENDED = (*GOOD, RunState.FAILED.value)


def usual(connection: sa.Connection, job: str, *, tiers: Set[str]) -> Usual:
    """Of the last runs: model calls and tokens of each turn that local tiers did alone."""
    last = (
        sa.select(runs.c.id, runs.c.state)
        .where(runs.c.job == job, runs.c.state.in_(ENDED))
        .order_by(runs.c.slot_ms.desc())
        .limit(RUNS_MAX)
        .subquery()
    )
    query = sa.select(calls.c.run, last.c.state, calls.c.step, calls.c.tier, calls.c.tokens)
    return usual_by(connection.execute(query.join(last, calls.c.run == last.c.id)), tiers)


def usual_by(rows: Iterable[Any], tiers: Set[str]) -> Usual:
    """The same of rows with run, its state, step, tier and tokens."""
    turns: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    elsewhere = set()
    for run, state, step, tier, tokens in rows:
        if tier not in tiers:
            elsewhere.add(run)
        elif found := STEP.fullmatch(step):
            turns[run, state, found["turn"]].append(tokens)
    done = {turn: tokens for turn, tokens in turns.items() if turn[0] not in elsewhere}
    ends = [(len(tokens), state in GOOD) for (_, state, _), tokens in done.items()]
    return usual_of(ends, map(sum, done.values()))
