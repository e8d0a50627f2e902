"""The row `gain`: what the frontier is likely to add, against what it costs now."""

from __future__ import annotations

from collections.abc import Sequence

from twotier.domain.known import Known
from twotier.domain.task import Task
from twotier.domain.tier import TierSpec
from twotier.router.row import Abstains, Choice


def decide(task: Task, known: Known, *, tiers: Sequence[TierSpec]) -> Choice | Abstains:  # noqa: ARG001
    """Nothing is known of what it would add yet."""
    return Abstains("nothing is known yet of what the frontier would add")
