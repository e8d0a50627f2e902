"""The row `time`: how long each tier would take, against the deadline."""

from __future__ import annotations

from collections.abc import Sequence

from twotier.domain.known import Known
from twotier.domain.task import Task
from twotier.domain.tier import TierSpec
from twotier.router.row import Abstains, Choice


def decide(task: Task, known: Known, *, tiers: Sequence[TierSpec]) -> Choice | Abstains:  # noqa: ARG001
    """Nothing is predicted for decisions yet."""
    return Abstains("nothing is known yet of how long it would take")
