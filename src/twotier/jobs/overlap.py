"""What becomes of a slot whose job has a run on its way. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """What to do with the slot: run it, or skip it `because`; end the runs it `replaces`."""

    skip: bool = False
    because: str = ""
    replaces: tuple[str, ...] = ()


def turn(overlap: str, on_the_way: Sequence[str]) -> Turn:
    """Decide by the job's `overlap`. `on_the_way` are the ids of its runs, the first one at work
    and the others waiting for it.

    `skip` runs nothing while anything is on its way. `queue` lets one wait, because a line that
    grows faster than it is worked off helps nobody. `replace` ends what is there: only the newest
    is wanted.
    """
    if not on_the_way:
        return Turn()
    if overlap == "replace":
        return Turn(replaces=tuple(on_the_way))
    if overlap == "queue" and len(on_the_way) == 1:
        return Turn()
    if overlap == "queue":
        return Turn(skip=True, because=f"the run {on_the_way[-1]} is waiting already")
    return Turn(skip=True, because=f"the run {on_the_way[0]} is still going on")
