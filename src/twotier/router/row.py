"""One row of the rules, and what it may say: a choice, or why it cannot make one.

A row is data: a name, a condition, the side it sends work to, and the template of its reason. Where
that does not say enough (the record, the time), the row has a function of its own, in a module of
its own, which looks at what is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from twotier.domain.known import Known
from twotier.domain.task import Task
from twotier.domain.tier import TierSpec

TOKENS_PER_LINE = 12  # of code and prose, so that people hear of lines


class Choice(msgspec.Struct, frozen=True):
    """Work goes to this `tier`, or to any of this `side` (local, frontier) where no tier is named;
    `text` says why, with the numbers. `sure`: nobody need check the answer of a local tier.
    """

    text: str
    side: str = ""
    tier: str = ""
    sure: bool = False


class Abstains(msgspec.Struct, frozen=True):
    """The row looked and cannot decide; `text` says why, with the numbers."""

    text: str


class Look(Protocol):
    """What a row with a function of its own does. `tiers` are those that are left."""

    def __call__(self, task: Task, known: Known, *, tiers: Sequence[TierSpec]) -> Choice | Abstains:
        """Choose, or say why not. Pure."""


def output_tokens(task: Task, known: Known) -> float:
    """How long the answer will be: as half of such answers were, else by estimate."""
    return known.output.p50 if known.output is not None else float(task.output_tokens)


SEEN: Mapping[str, Callable[[Task, Known], object]] = {
    "kind": lambda task, _: task.kind,
    "kind_because": lambda task, _: task.kind_because,
    "kind_from": lambda task, _: task.kind_from or "nothing",
    "job": lambda task, _: task.job or "none",
    "output_tokens": lambda task, known: f"{output_tokens(task, known):,.0f}",
    "output_lines": lambda task, known: f"{output_tokens(task, known) / TOKENS_PER_LINE:,.0f}",
}


class Seen(msgspec.Struct, frozen=True):
    """What a template may name; only what it does name is looked at."""

    task: Task
    known: Known

    def __getitem__(self, name: str) -> object:
        return SEEN[name](self.task, self.known)


@dataclass(frozen=True, slots=True)
class Row:
    """Work for which `when` holds (None: all) goes to `side`; `text` is why, and `saw` what was
    looked at, a template over `SEEN`. A `look` decides instead of `side`. `sure` as of a `Choice`;
    `own`: it is the owner's.
    """

    name: str
    side: str = ""
    when: Callable[[Task, Known], bool] | None = None
    text: str = ""
    saw: str = "kind {kind}: {kind_because}"
    look: Look | None = None
    sure: bool = False
    own: bool = False

    def decide(
        self, task: Task, known: Known, *, tiers: Sequence[TierSpec]
    ) -> Choice | Abstains | None:
        """Its word; None where its condition does not hold."""
        if self.when is not None and not self.when(task, known):
            return None
        if self.look is not None:
            return self.look(task, known, tiers=tiers)
        return Choice(f"{self.text} ({self.sight(task, known)})", self.side, sure=self.sure)

    def sight(self, task: Task, known: Known) -> str:
        """What it looked at, with the numbers."""
        return self.saw.format_map(Seen(task, known))
