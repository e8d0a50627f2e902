"""When a period begins and ends, and whether an amount may still be spent in it. Pure.

Periods follow the wall clock of a named zone, so a day may last 23 or 25 hours. `judge` decides
over states it is handed; who sums them, and in which transaction, is the book's business. A
budget of one client is judged like any other: its state holds that client's sums only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from twotier.domain.money import Budget, BudgetState, usd
from twotier.errors import ConfigError

# "Background work first, a person at the keyboard last": jobs may use this share of a limit, and
# what is left of it waits for someone who is waiting.
BACKGROUND_SHARE_PERCENT = 90


@dataclass(frozen=True, slots=True)
class Verdict:
    """May the amount be spent? If not, `sentence` names the cap, what is spent, and the reset.

    `budget` and `at_limit` are those of the budget that refused. `alerts` names every budget
    whose alert threshold is reached, or whose limit would be passed and only tells.
    """

    allowed: bool
    sentence: str = ""
    budget: str = ""
    at_limit: str = ""
    alerts: tuple[str, ...] = ()


def period(budget: Budget, now: datetime) -> tuple[datetime, datetime]:
    """Start (inclusive) and end (exclusive) of the period that holds `now`, both in UTC.

    Weeks begin on Monday. Raises `ConfigError` for an unknown zone or period.
    """
    zone = _zone(budget)
    first, last = _days(budget, now.astimezone(zone).date())
    return _midnight(first, zone), _midnight(last, zone)


def judge(
    states: Sequence[BudgetState], amount_microusd: int, *, background: bool = False
) -> Verdict:
    """The first budget that refuses decides; without one the amount may be spent.

    An amount of 0 asks whether free work may go on: only a reached `stop` refuses that.
    """
    alerts = tuple(state.budget.name for state in states if _alerted(state, amount_microusd))
    for state in states:
        if _refused(state, amount_microusd, background=background):
            budget = state.budget
            sentence = _sentence(state, amount_microusd, background=background)
            return Verdict(False, sentence, budget.name, budget.at_limit, alerts)
    return Verdict(True, alerts=alerts)


def _zone(budget: Budget) -> ZoneInfo:
    try:
        return ZoneInfo(budget.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise ConfigError(
            f"budget {budget.name}: the zone {budget.zone!r} is unknown; "
            "use an IANA name like America/Los_Angeles"
        ) from exc


def _days(budget: Budget, today: date) -> tuple[date, date]:
    match budget.period:
        case "day":
            return today, today + timedelta(days=1)
        case "week":
            monday = today - timedelta(days=today.weekday())
            return monday, monday + timedelta(days=7)
        case "month":
            first = today.replace(day=1)
            return first, (first + timedelta(days=31)).replace(day=1)
        case _:
            raise ConfigError(
                f"budget {budget.name}: the period {budget.period!r} is unknown; "
                "use day, week or month"
            )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    # Where the clocks skip midnight, `fold=0` takes the offset from before the gap, and that is
    # exactly the instant of the change: the day begins when it really begins.
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _used(state: BudgetState) -> int:
    return state.spent_microusd + state.reserved_microusd


def _ceiling(limit_microusd: int, *, background: bool) -> int:
    return limit_microusd * BACKGROUND_SHARE_PERCENT // 100 if background else limit_microusd


def _refused(state: BudgetState, amount_microusd: int, *, background: bool) -> bool:
    limit = state.budget.limit_microusd
    if limit is None or state.budget.at_limit == "alert":
        return False
    ceiling = _ceiling(limit, background=background)
    if amount_microusd == 0:
        return state.budget.at_limit == "stop" and _used(state) >= ceiling
    return _used(state) + amount_microusd > ceiling


def _alerted(state: BudgetState, amount_microusd: int) -> bool:
    used, budget = _used(state) + amount_microusd, state.budget
    if budget.alert_microusd is not None and used >= budget.alert_microusd:
        return True
    only_tells = budget.at_limit == "alert" and budget.limit_microusd is not None
    return only_tells and used > (budget.limit_microusd or 0)


def _sentence(state: BudgetState, amount_microusd: int, *, background: bool) -> str:
    budget = state.budget
    limit = budget.limit_microusd or 0
    resets = state.resets_at.astimezone(_zone(budget)).strftime("%Y-%m-%d %H:%M")
    share = (
        f" ({usd(_ceiling(limit, background=True))} of it for background work)"
        if background
        else ""
    )
    asked = f", {usd(amount_microusd)} more was asked for" if amount_microusd else ""
    whose = f"key {budget.client}" if budget.client else f"budget {budget.name}"
    return (
        f"{whose}: the limit of {usd(limit)} per {budget.period}{share} is reached: "
        f"{usd(state.spent_microusd)} spent, {usd(state.reserved_microusd)} reserved{asked}. "
        f"It resets at {resets} {budget.zone}; {_way_out(budget)}."
    )


def _way_out(budget: Budget) -> str:
    until = "" if budget.at_limit == "stop" else "until then use a free tier, or "
    raised = f"`twotier key set {budget.client} --budget-usd`" if budget.client else "`limit_usd`"
    return f"{until}raise {raised}"
