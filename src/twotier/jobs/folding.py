"""Runs as they are listed: rows that say the same of one slot after the other are one line. Pure.

A job of every ten seconds that finds nothing, or is skipped because its run before is still going
on, fills a list in which the runs that did something cannot be seen any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from twotier.domain.job import Run, RunState

# States in which nothing was done.
NOTHING_DONE = frozenset({RunState.QUIET, RunState.SKIPPED, RunState.MISSED})


@dataclass(slots=True)
class Fold:
    """A run, the newest of so many `slots` of its job, one after the other, that say the same;
    `since` is the first of them.
    """

    run: Run
    slots: int
    since: datetime


def folded(runs: Iterable[Run], *, limit: int) -> list[Fold]:
    """The first `limit` lines of `runs`, which are the newest first. Runs of other jobs in between
    do not matter; those after the last line are read only as long as they belong to one.
    """
    lines: list[Fold] = []
    last: dict[str, Fold] = {}  # of each job, the line that its next run may belong to
    full = False
    for run in runs:
        line = last.get(run.job)
        if line is not None and alike(line.run, run):
            line.slots += 1
            line.since = run.slot
            continue
        full = full or len(lines) >= limit
        last.pop(run.job, None)
        if not full:
            line = last[run.job] = Fold(run, 1, run.slot)
            lines.append(line)
        elif not any(one.run.state in NOTHING_DONE for one in last.values()):
            break
    return lines


def alike(one: Run, other: Run) -> bool:
    """Whether two runs of a job say the same, and that is that nothing was done."""
    same = (one.state, one.because) == (other.state, other.because)
    return same and one.state in NOTHING_DONE
