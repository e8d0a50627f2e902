"""Runs as they are listed: what says the same is one line."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.jobs.making import START
from twotier.domain.job import Run, RunState
from twotier.jobs.folding import folded

STATES = {
    "q": RunState.QUIET,
    "s": RunState.SKIPPED,
    "m": RunState.MISSED,
    "d": RunState.DONE,
    "f": RunState.FAILED,
}


def runs(text: str) -> Iterator[Run]:
    """The newest first, as words of job, state and reason: `a:s:busy`."""
    for number, word in enumerate(text.split()):
        job, state, *because = word.split(":")
        slot = START - timedelta(seconds=number)
        yield Run(f"{job}{number}", job, slot, STATES[state], because="".join(because))


@pytest.mark.parametrize(
    ("text", "limit", "lines"),
    [
        ("", 9, []),
        ("a:q a:q a:q a:d", 9, ["a0 x3", "a3 x1"]),
        ("a:d a:d a:f a:f", 9, ["a0 x1", "a1 x1", "a2 x1", "a3 x1"]),  # each did something
        ("a:s:busy a:s:busy a:s:rests", 9, ["a0 x2", "a2 x1"]),  # another reason
        ("a:s a:q a:m", 9, ["a0 x1", "a1 x1", "a2 x1"]),
        ("a:q b:d a:q b:q a:d b:q", 9, ["a0 x2", "b1 x1", "b3 x2", "a4 x1"]),
        ("a:q a:d a:q", 9, ["a0 x1", "a1 x1", "a2 x1"]),
        ("a:d b:d a:d", 2, ["a0 x1", "b1 x1"]),
        ("a:q b:d c:d a:q b:q a:d a:q", 2, ["a0 x2", "b1 x1"]),  # to the end of a's line
    ],
)
def test_slots_that_say_the_same_are_one_line(text: str, limit: int, lines: list[str]) -> None:
    """Of a job, one after the other, whatever other jobs did in between."""
    found = folded(runs(text), limit=limit)
    assert [f"{line.run.id} x{line.slots}" for line in found] == lines


def test_a_line_tells_its_first_slot_and_no_more_is_read_than_belongs_to_lines() -> None:
    """It is the newest run that is shown."""
    left = runs("a:q b:d a:q a:d a:q a:q")
    (line,) = folded(left, limit=1)
    assert (line.run.slot, line.since) == (START, START - timedelta(seconds=2))
    assert [run.id for run in left] == ["a4", "a5"]
