"""Everybody in turn, and what comes of it: each figure of twotier with its ratio to the others.

A round asks each side once in each scene, in an order of chance; rounds follow one another, so that
a neighbour who is loud for a while disturbs a part of every figure and no figure alone. Ratios are
made of two runs of the same round.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.figures import Figure, Other, median, spread
from bench.load import Load, LoadError, Run
from bench.stage import DIRECT, MAIN, Side, Stage, Way

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "7"))
MILLI = 1e3
SLOW_EVERY = 3  # rounds
LITTLE = 0.01  # of a millisecond: a ratio to less than this says nothing
NONE = Run(0.0, [])

Shots = Mapping[str, Mapping[int, Run]]  # by side, and by the number of the round


@dataclass(frozen=True, slots=True)
class Scene:
    """What is asked in which way."""

    name: str
    way: Way
    body: Callable[[str], bytes]
    load: Load


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of a run, with the direct call's of the same round beside it. `direct` is what the
    direct call itself is shown with.
    """

    unit: str
    form: str
    of: Callable[[Run, Run], float]
    direct: Callable[[Run], float] | None = None


CPU = Measure("us", ".0f", lambda run, _: run.cpu_micro)
ADDED = Measure(
    "ms",
    ".2f",
    lambda run, direct: (run.p50_seconds - direct.p50_seconds) * MILLI,
    lambda run: run.p50_seconds * MILLI,
)
FIRST = Measure(
    "ms",
    ".2f",
    lambda run, direct: (run.first_p50_seconds - direct.first_p50_seconds) * MILLI,
    lambda run: run.first_p50_seconds * MILLI,
)
RATE = Measure("/s", ".0f", lambda run, _: run.per_second, lambda run: run.per_second)
CHUNKS = Measure("/s", ".0f", lambda run, _: run.words / run.cpu_seconds)


def play(stage: Stage, scenes: Sequence[Scene], rounds: int = ROUNDS) -> Mapping[str, Shots]:
    """All rounds; by the scene's name. A peer that fails once is not asked in that scene again."""
    seen: dict[str, dict[str, dict[int, Run]]] = {
        scene.name: {side.name: {} for side in stage.of(scene.way)} for scene in scenes
    }
    for number in range(rounds):
        began = time.monotonic()
        for scene in scenes:
            shots = seen[scene.name]
            for side in shuffled(stage.of(scene.way)):
                if side.name not in shots or (side.slow and number % SLOW_EVERY):
                    continue
                run = taken(side, scene)
                if run is None:
                    del shots[side.name]
                else:
                    shots[side.name][number] = run
        took = time.monotonic() - began
        print(f"round {number + 1} of {rounds}: {took:.0f} s", file=sys.stderr, flush=True)
    return seen


def warm(stage: Stage, scenes: Sequence[Scene]) -> None:
    """Each side once in each scene, uncounted: code that runs for the first time costs more."""
    for scene in scenes:
        for side in stage.of(scene.way):
            if not side.slow:
                taken(side, scene)


def shuffled(sides: Sequence[Side]) -> list[Side]:
    """In an order of chance."""
    return random.sample(sides, len(sides))


def taken(side: Side, scene: Scene) -> Run | None:
    """One run, none where a peer failed. Raises what `drive` raises where it was not a peer."""
    try:
        return side.shoot(scene.way, scene.body, scene.load)
    except (LoadError, OSError, ExceptionGroup) as exc:  # TimeoutError is one of the second
        if side.name in (MAIN, DIRECT):
            raise
        said = exc.exceptions[0] if isinstance(exc, ExceptionGroup) else exc
        print(f"{scene.name}: {side.name}: {said}"[:400], file=sys.stderr)
        return None


def figure(shots: Shots, measure: Measure, *, name: str, aim: str = "") -> Figure:
    """One line."""
    base = shots.get(DIRECT, {})
    values = {
        side: {number: measure.of(run, base.get(number, NONE)) for number, run in runs.items()}
        for side, runs in shots.items()
        if side != DIRECT
    }
    beside = {
        side: Other(
            ratio(values[MAIN], theirs, measure),
            f"{median(theirs.values()):{measure.form}} ({min(theirs.values()):{measure.form}})",
        )
        for side, theirs in values.items()
        if side != MAIN
    }
    if base and measure.direct:
        itself = median(map(measure.direct, base.values()))
        beside[DIRECT] = Other(None, f"{itself:{measure.form}} itself")
    seen = spread(list(values[MAIN].values()), measure.form)
    return Figure(name, aim, f"{seen} {measure.unit}", beside)


def ratio(ours: Mapping[int, float], theirs: Mapping[int, float], measure: Measure) -> float | None:
    """The median of the rounds of both; None where theirs is too little to compare with."""
    least = LITTLE if measure.unit == "ms" else 0.0
    pairs = [(ours[number], value) for number, value in theirs.items() if value > least]
    return None if 2 * len(pairs) < len(theirs) else median(a / b for a, b in pairs)


def paired(shots: Shots, base: Shots, value: Callable[[Run, Run], float]) -> float:
    """The median of what two runs of twotier in the same round make together."""
    return median(value(run, base[MAIN][number]) for number, run in shots[MAIN].items())
