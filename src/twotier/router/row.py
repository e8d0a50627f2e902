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


@dataclass(frozen=True, slots=True)
class Row:
    """Work for which `when` holds (None: all) goes to `side`; `text` is why, and `saw` what was
    looked at, a template over `seen`. A `look` decides instead of `side`. `sure` as of a `Choice`;
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
        return self.saw.format_map(seen(task, known))


def seen(task: Task, known: Known) -> Mapping[str, object]:
    """What the templates may name."""
    output = known.output.p50 if known.output else float(task.output_tokens)
    return {
        "kind": task.kind,
        "kind_because": task.kind_because,
        "kind_from": task.kind_from or "nothing",
        "job": task.job,
        "policy": task.policy.value,
        "output_tokens": f"{output:,.0f}",
        "output_lines": f"{output / TOKENS_PER_LINE:,.0f}",
    }
