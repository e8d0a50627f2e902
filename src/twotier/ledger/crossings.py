"""Which thresholds of budgets are crossed now. Pure.

A key holds the start of its period, so that a new day is a new incident. Money that is held for
answers on their way counts as spent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from twotier.domain.alert import Condition, Severity
from twotier.domain.money import BudgetState, usd

SCOPE = "budget:"


def crossings(states: Sequence[BudgetState], *, now: datetime) -> list[Condition]:
    """All that hold now, whether they are news or not; the state's periods are those of `now`."""
    return [one for state in states if now < state.resets_at for one in _crossed(state)]


def _crossed(state: BudgetState) -> Iterator[Condition]:
    budget, used = state.budget, state.spent_microusd + state.reserved_microusd
    whose = f"key {budget.client}" if budget.client else f"budget {budget.name}"
    at = f"{SCOPE}{budget.client}/{budget.name}"
    begun = state.since.isoformat()
    said = f"{usd(used)} spent and reserved this {budget.period}"
    alert, limit = budget.alert_microusd, budget.limit_microusd
    if alert is not None and used >= alert > 0:
        text = f"{said}, past the alert of {usd(alert)}; `twotier spend` shows on what"
        yield Condition(f"{at}:alert:{begun}", whose, "threshold", text)
    if limit is not None and used >= limit > 0:
        then = {"alert": "nothing stops", "local-only": "only what is free goes on"}
        acts = then.get(budget.at_limit, "all work is refused")
        text = f"{said}, the limit of {usd(limit)} is reached: {acts}"
        severity = Severity.WARNING if budget.at_limit == "alert" else Severity.URGENT
        yield Condition(f"{at}:limit:{begun}", whose, "limit", text, severity)
