"""Guards over work under way: when is it better to hand it over than to go on? Pure.

Each is a row: a name, what it looks for, and a function that gives the sentence with its numbers,
empty where it does not speak. They are asked between two steps of a run, or while nothing of an
answer has gone out; what they stop is carried on by the next tier that may.

What a run is held against is what earlier runs of the same job needed on the same tier. Without
enough of them a guard that compares does not speak.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import inf
from typing import Any

from twotier.verify.lengths import SLOW, longest

RUNS_MIN = 5  # of a job, before its usual need counts
LATE_MIN = 3  # of its long runs, before their ends count
STEPS_MIN = 4  # fewer are never too many
TOKENS_FACTOR = 3.0  # times the 90th percentile
TOKENS_MIN = 1_000
STALE_MAX = 4  # calls in a row that brought nothing new
SAME_TEXT_MAX = 3
SECONDS_MIN = 20.0  # before a rate says anything


@dataclass(frozen=True, slots=True)
class Usual:
    """What `runs` earlier ones needed: model calls and tokens, as the middle and the 90th
    percentile; zeros where nothing is known. `late` of them needed more calls than that, and
    `late_good` of those ended well all the same. Work is counted in model calls where those are
    known, else in tokens: `most` it may be, and another tier takes `elsewhere_begins` seconds and
    `elsewhere_each` for each; None where nobody knows.
    """

    runs: int = 0
    steps_p50: float = 0.0
    steps_p90: float = 0.0
    tokens_p50: float = 0.0
    tokens_p90: float = 0.0
    late: int = 0
    late_good: int = 0
    most: float | None = None
    elsewhere_begins: float = 0.0
    elsewhere_each: float | None = None

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Usual:
        """As it was kept, perhaps by another version."""
        names = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in kept.items() if name in names})

    @property
    def known(self) -> bool:
        """Whether there were enough of them."""
        return self.runs >= RUNS_MIN

    def work(self, flight: Flight) -> tuple[float, float]:
        """How much is done, and what is usual, as it is counted."""
        if self.steps_p50:
            return flight.steps, self.steps_p50
        return flight.tokens, self.tokens_p50

    def longest(self, done: float) -> float:
        """What 99 in 100 do not exceed of those of which so much is done."""
        steps = self.steps_p50, self.steps_p90
        p50, p90 = steps if self.steps_p50 else (self.tokens_p50, self.tokens_p90)
        return min(longest(p50, p90, beyond=done), self.most or inf)

    @property
    def late_is_fine(self) -> bool:
        """Whether most of those that took so long ended well: then going on is worth it."""
        return self.late >= LATE_MIN and 2 * self.late_good > self.late


NOTHING = Usual()


@dataclass(frozen=True, slots=True)
class Flight:
    """How far work has come. `stale` calls in a row gave what was known; `same_text` times in a row
    the same was said; `circles` says how the text goes round in circles. `seconds` have gone by,
    and `left_seconds` are left, None where nobody waits. `tokens` are counted as `Usual` counts.
    """

    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0
    left_seconds: float | None = None
    stale: int = 0
    same_text: int = 0
    circles: str = ""


@dataclass(frozen=True, slots=True)
class Fired:
    """The guard that spoke, and its sentence."""

    name: str
    because: str


@dataclass(frozen=True, slots=True)
class Guard:
    """One row."""

    name: str
    text: str
    speaks: Callable[[Flight, Usual], str]


def steps(flight: Flight, usual: Usual) -> str:
    """More steps than nine of ten earlier runs needed, and such runs seldom end well."""
    if not (usual.known and usual.steps_p90) or flight.steps <= max(usual.steps_p90, STEPS_MIN):
        return ""
    if usual.late_is_fine:
        return ""
    return f"{flight.steps} steps; nine of ten earlier runs needed {usual.steps_p90:.0f} at most"


def stall(flight: Flight, usual: Usual) -> str:  # noqa: ARG001 - all guards are alike
    """Calls that bring nothing new."""
    if flight.stale < STALE_MAX:
        return ""
    return f"{flight.stale} calls in a row brought nothing new"


def repetition(flight: Flight, usual: Usual) -> str:  # noqa: ARG001
    """The same said or done again and again."""
    if flight.circles:
        return flight.circles
    if flight.same_text >= SAME_TEXT_MAX:
        return f"the same was said {flight.same_text} times"
    return ""


def tokens(flight: Flight, usual: Usual) -> str:
    """Far more text than was to be expected."""
    most = max(TOKENS_FACTOR * usual.tokens_p90, TOKENS_MIN)
    if not (usual.known and usual.tokens_p90) or flight.tokens <= most:
        return ""
    return f"{flight.tokens} tokens; nine of ten earlier ones needed {usual.tokens_p90:.0f} at most"


def rate(flight: Flight, usual: Usual) -> str:
    """Too slow for its deadline, by what it still has to do and how fast it was so far."""
    if not usual.known or flight.left_seconds is None or flight.seconds < SECONDS_MIN:
        return ""
    done, wanted = usual.work(flight)
    if not done or wanted <= done:
        return ""
    needed = (wanted - done) * flight.seconds / done
    if needed <= flight.left_seconds:
        return ""
    return f"at its rate it needs {needed:.0f} s more, and {flight.left_seconds:.0f} s are left"


def late(flight: Flight, usual: Usual) -> str:
    """The last moment at which another tier could still be in time with a long rest, where this one
    would not be, and would get less far. The other one begins anew, and both may be slow.
    """
    left, each = flight.left_seconds, usual.elsewhere_each
    if not usual.known or left is None or each is None:
        return ""
    done, _ = usual.work(flight)
    most = usual.longest(done)
    needed = usual.elsewhere_begins + most * each
    if left > needed:
        return ""
    here = done + done * left / (SLOW * flight.seconds) if flight.seconds else 0.0
    there = (left - usual.elsewhere_begins) / each
    if here >= min(most, there):
        return ""
    return f"{left:.0f} s are left, and elsewhere it takes {needed:.0f} s"


GUARDS: tuple[Guard, ...] = (
    Guard("repetition", "the same call or the same words again and again", repetition),
    Guard("stall", "calls that bring nothing new", stall),
    Guard("steps", "more steps than nine of ten earlier runs", steps),
    Guard("tokens", "far more text than was to be expected", tokens),
    Guard("rate", "too slow for its deadline", rate),
    Guard("late", "the last moment at which another tier could be in time", late),
)
NAMES = tuple(guard.name for guard in GUARDS)


def usual_of(runs: Iterable[tuple[int, bool]], tokens: Iterable[int] = ()) -> Usual:
    """What earlier runs needed, each by its model calls and whether it ended well; and the tokens
    of each, where they were counted.
    """
    each = sorted(runs)
    if not each:
        return NOTHING
    steps, sums = [count for count, _ in each], sorted(tokens)
    most = part_of(steps, 0.9)
    late = [good for count, good in each if count > most]
    return Usual(
        runs=len(each),
        steps_p50=part_of(steps, 0.5),
        steps_p90=most,
        tokens_p50=part_of(sums, 0.5),
        tokens_p90=part_of(sums, 0.9),
        late=len(late),
        late_good=sum(late),
    )


def part_of(ordered: Sequence[int], part: float) -> float:
    """The value that this part of them does not exceed; 0 of none."""
    return float(ordered[min(len(ordered) - 1, int(part * len(ordered)))]) if ordered else 0.0


def fired(flight: Flight, usual: Usual = NOTHING) -> Fired | None:
    """The first guard that speaks."""
    for guard in GUARDS:
        if because := guard.speaks(flight, usual):
            return Fired(guard.name, because)
    return None
