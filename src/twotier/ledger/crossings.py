"""Which thresholds of budgets are crossed now, and where their periods are going. Pure.

All that holds is told each time, the mildest first; whoever sends it remembers by its key what was
told. A key holds the start of its period, so that a new day is a new incident. Money that is only
held for answers on their way does not count: most of it is given back. What went past twotier
counts for an alert and not for a limit, which holds only what goes through us.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from twotier.domain.alert import Condition, Severity
from twotier.domain.money import Budget, BudgetState, usd
from twotier.ledger.forecast import History, forecast

SCOPE = "budget:"
THEN = {
    "alert": "nothing stops",
    "local-only": "from here on work goes on only where it is free",
    "stop": "all work stops",
}


def crossings(
    states: Sequence[BudgetState],
    *,
    now: datetime,
    history: Mapping[Budget, History] | None = None,
) -> list[Condition]:
    """All that hold now, whether they are news or not; the state's periods are those of `now`."""
    seen = {} if history is None else history
    return [
        one
        for state in states
        if now < state.resets_at
        for one in _crossed(state, now, history=seen.get(state.budget))
    ]


def _crossed(state: BudgetState, now: datetime, *, history: History | None) -> Iterator[Condition]:
    coming = None if history is None else forecast(state, now, history=history)
    for of, amount in amounts(state.budget):
        past = state.outside_microusd if of == "alert" else 0
        if coming is not None and 0 < amount <= coming + past:
            said = _coming(state, of, coming=coming + past)
            yield _condition(state, f"{of}-forecast", kind="forecast", said=said)
        for percent in sorted(state.budget.tell_percents):
            if 0 < amount * percent <= (state.spent_microusd + past) * 100:
                kind = "limit" if of == "limit" and percent >= 100 else "threshold"
                said = _reached(state, of, percent=percent)
                yield _condition(state, f"{of}-{percent}", kind=kind, said=said)
    if state.refused:
        yield _condition(state, "limit-refuses", kind="limit", said=_refusing(state))


def amounts(budget: Budget) -> Iterator[tuple[str, int]]:
    """What is set of a budget, by its name."""
    if budget.alert_microusd is not None:
        yield "alert", budget.alert_microusd
    if budget.limit_microusd is not None:
        yield "limit", budget.limit_microusd


def _condition(state: BudgetState, threshold: str, *, kind: str, said: str) -> Condition:
    budget = state.budget
    key = f"{SCOPE}{budget.client}/{budget.name}:{threshold}:{state.since.isoformat()}"
    stops = kind == "limit" and budget.at_limit != "alert"
    severity = Severity.URGENT if stops else Severity.WARNING
    return Condition(key, budget.whose, kind, said, severity)


def _reached(state: BudgetState, of: str, *, percent: int) -> str:
    budget = state.budget
    amount = usd(dict(amounts(budget))[of])
    then = f"; {THEN[budget.at_limit]}" if of == "limit" and percent >= 100 else ""
    return (
        f"{percent} % of the {of} of {amount} per {budget.period} is reached:"
        f" {_spent(state, of)}{then}. It starts anew at {end_text(state)};"
        " `twotier spend` shows on what."
    )


def _refusing(state: BudgetState) -> str:
    budget = state.budget
    limit = usd(budget.limit_microusd or 0)
    return (
        f"the limit of {limit} per {budget.period} refuses requests:"
        f" {usd(state.spent_microusd)} spent, {usd(state.reserved_microusd)} reserved;"
        f" {THEN[budget.at_limit]}. It starts anew at {end_text(state)}."
    )


def _coming(state: BudgetState, of: str, *, coming: int) -> str:
    amount = usd(dict(amounts(state.budget))[of])
    by = "midnight" if state.budget.period == "day" else end_text(state)
    return f"at this pace {usd(coming)} by {by}; the {of} is {amount}, {_spent(state, of)} so far."


def _spent(state: BudgetState, of: str) -> str:
    """What counts, and what of it nobody here could have stopped."""
    past = state.outside_microusd if of == "alert" else 0
    part = f", {usd(past)} of it not through twotier," if past else ""
    return f"{usd(state.spent_microusd + past)} spent{part}"


def end_text(state: BudgetState) -> str:
    """When it starts anew, on the clock of its own zone."""
    local = state.resets_at.astimezone(ZoneInfo(state.budget.zone))
    return f"{local:%Y-%m-%d %H:%M} {state.budget.zone}"
