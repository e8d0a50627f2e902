"""What a budget will have spent by the end of its period if work goes on as it does. Pure.

What is spent, and for each hour that is left: what that hour of the day usually costs, and as much
more (or less) as the last hours cost than they usually do. So an evening after a busy day is taken
for an evening, and a loop that runs wild at night for a loop. Without earlier days nothing is
usual, and the pace of the last hours goes on. One dear request is no pace, and neither is an hour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from twotier.domain.money import BudgetState

HOUR_SECONDS = 3600
DAY_HOURS = 24
# Three hours tell how a day goes on, and nothing of a month.
PACE_HOURS = {"day": 3, "week": 24, "month": 72}
BUSY_HOURS_MIN = 2
USUAL_DAYS_MAX = 14
USUAL_DAYS_MIN = 3


@dataclass(frozen=True, slots=True)
class History:
    """What the work of a budget cost, in micro-dollars by hours since 1970 in UTC.

    It goes back to `history_since`. `since` is when anything was first paid, None for never.
    """

    since: datetime | None
    hours: Mapping[int, int]


def history_since(now: datetime) -> datetime:
    """How far back a history has to go: the last day, and those before it that are usual."""
    return now - timedelta(days=USUAL_DAYS_MAX + 1)


def forecast(state: BudgetState, now: datetime, *, history: History) -> int | None:
    """Micro-dollars spent by the end of the period; None while too little has been seen."""
    hours = PACE_HOURS[state.budget.period]
    if history.since is None or history.since > now - timedelta(hours=hours):
        return None
    this, begun = divmod(now.timestamp() / HOUR_SECONDS, 1.0)
    last = range(int(this) - hours, int(this) + 1)  # whole ones, and the one that has begun
    costs = [history.hours.get(hour, 0) for hour in last]
    if sum(cost > 0 for cost in costs) < BUSY_HOURS_MIN:
        return None
    usual = usual_hours(now, history.since, hours=history.hours)
    expected = (
        sum(usual[hour % DAY_HOURS] for hour in last[:-1]) + begun * usual[last[-1] % DAY_HOURS]
    )
    excess = (sum(costs) - expected) / (hours + begun)
    return state.spent_microusd + round(rest(now, state.resets_at, usual=usual, excess=excess))


def usual_hours(now: datetime, since: datetime, *, hours: Mapping[int, int]) -> list[float]:
    """What each hour of the day usually costs: a mean over earlier days; zeros without enough."""
    this = int(now.timestamp() // HOUR_SECONDS) - DAY_HOURS  # these hours are the pace, not usual
    days = min(USUAL_DAYS_MAX, (now - since) // timedelta(days=1) - 1)
    if days < USUAL_DAYS_MIN:
        return [0.0] * DAY_HOURS
    usual = [0.0] * DAY_HOURS
    for hour in range(this - days * DAY_HOURS, this):
        usual[hour % DAY_HOURS] += hours.get(hour, 0) / days
    return usual


def rest(now: datetime, end: datetime, *, usual: list[float], excess: float) -> float:
    """What the hours from now to the end will cost."""
    at, until = now.timestamp() / HOUR_SECONDS, end.timestamp() / HOUR_SECONDS
    total = 0.0
    while at < until:
        hour = int(at)
        next_at = min(hour + 1.0, until)
        total += max(0.0, usual[hour % DAY_HOURS] + excess) * (next_at - at)
        at = next_at
    return total
