"""The row `record`: what came of the same work before."""

from __future__ import annotations

from collections.abc import Sequence

from twotier.domain.known import Known
from twotier.domain.task import Task
from twotier.domain.tier import TierSpec
from twotier.router.row import Abstains, Choice


def decide(task: Task, known: Known, *, tiers: Sequence[TierSpec]) -> Choice | Abstains:  # noqa: ARG001
    """Nothing is learned of earlier work yet."""
    return Abstains("nothing is known yet of such work")
