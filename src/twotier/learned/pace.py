"""How fast budgets are spent, as it was at the last look, and with what was spent since then.

Looks come every few seconds from whoever watches the budgets; between two of them every attempt's
end is added. A decision reads this from memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twotier.domain.clock import Clock
from twotier.domain.known import Pace
from twotier.domain.money import Attempt, Budget, BudgetState, Scope, Settlement, work_of
from twotier.domain.task import Caller


@dataclass(slots=True)
class Purse:
    """A budget with a limit, and what of it is spent or held."""

    budget: Budget
    limit_microusd: int
    used_microusd: int
    since: float  # of its period, Unix seconds
    until: float


class Paces:
    """The paces of all budgets that have a limit."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._purses: list[Purse] = []

    def note(self, states: Sequence[BudgetState]) -> None:
        """How they stand now."""
        self._purses = [
            Purse(
                one.budget,
                one.budget.limit_microusd,
                one.spent_microusd + one.reserved_microusd,
                one.since.timestamp(),
                one.resets_at.timestamp(),
            )
            for one in states
            if one.budget.limit_microusd
        ]

    def __call__(self, attempt: Attempt, end: Settlement) -> None:
        """Add what an attempt came to."""
        if end.cost_microusd:
            for purse in self._purses:
                if purse.budget.covers(attempt):
                    purse.used_microusd += end.cost_microusd

    def of(self, caller: Caller, *, tier: str, model: str) -> Pace | None:
        """The one that is most ahead of its time, of those that such work counts in; None where no
        limit does.
        """
        work = work_of(background=caller.background)
        scope = Scope(caller.client, caller.job, tier, model, work)
        now = self._clock.now().timestamp()
        paces = [
            Pace(
                purse.budget.whose,
                purse.used_microusd / purse.limit_microusd,
                min(1.0, max(0.0, (now - purse.since) / (purse.until - purse.since))),
            )
            for purse in self._purses
            if purse.budget.scope.holds(scope)
        ]
        return max(paces, key=lambda one: one.spent - one.passed, default=None)
