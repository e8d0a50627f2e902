"""When a period begins and ends, and whether an amount may still be spent in it. Pure.

Periods follow the wall clock of a named zone, so a day may last 23 or 25 hours. `judge` decides
over states it is handed; who sums them, and in which transaction, is the book's business. A
budget of one client is judged like any other: its state holds that client's sums only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from twotier.domain.money import MICROUSD_PER_USD, Budget, BudgetState, usd
from twotier.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Verdict:
    """May the amount be spent? If not, `sentence` names the cap, what is spent, and the reset.

    `state` is that of the budget that refused. `passing`: without the money that is held for
    answers on their way no budget would have refused.
    """

    allowed: bool
    sentence: str = ""
    state: BudgetState | None = None
    passing: bool = False

    @property
    def facts(self) -> dict[str, str]:
        """The sentence in fields: amounts in dollars, the reset in UTC."""
        if self.state is None:
            return {}
        state, budget = self.state, self.state.budget
        return {
            "name": budget.name,
            "period": budget.period,
            "limit_usd": decimal(budget.limit_microusd or 0),
            "spent_usd": decimal(state.spent_microusd),
            "reserved_usd": decimal(state.reserved_microusd),
            "resets_at": state.resets_at.isoformat(),
        }


GO = Verdict(True)


def decimal(microusd: int) -> str:
    """Dollars as text that nothing rounds."""
    return f"{microusd / MICROUSD_PER_USD:.6f}"


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

    An amount of 0 asks whether free work may go on: only a `stop` refuses that, once its limit is
    spent; what is only held says nothing yet.
    """
    refusing = [one for one in states if _refused(one, amount_microusd, background=background)]
    if not refusing:
        return GO
    state = refusing[0]
    sentence = _sentence(state, amount_microusd, background=background)
    unheld = (replace(one, reserved_microusd=0) for one in refusing)
    passing = not any(_refused(one, amount_microusd, background=background) for one in unheld)
    return Verdict(False, sentence, state, passing)


def reached(state: BudgetState) -> BudgetState:
    """As if its limit were reached: nobody knows what was really spent."""
    limit = state.budget.limit_microusd or 0
    return replace(state, spent_microusd=max(limit, state.spent_microusd))


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


def _ceiling(budget: Budget, *, background: bool) -> int:
    """The most that this kind of work may bring the sum to. What is for jobs alone, or for people
    alone, has no shares.
    """
    limit = budget.limit_microusd or 0
    shared = background and not (budget.work or budget.job)
    return limit * budget.background_percent // 100 if shared else limit


def _refused(state: BudgetState, amount_microusd: int, *, background: bool) -> bool:
    budget = state.budget
    if budget.limit_microusd is None or budget.at_limit == "alert":
        return False
    ceiling = _ceiling(budget, background=background)
    if amount_microusd == 0:
        return budget.at_limit == "stop" and state.spent_microusd >= ceiling
    return _used(state) + amount_microusd > ceiling


def _sentence(state: BudgetState, amount_microusd: int, *, background: bool) -> str:
    budget = state.budget
    limit = budget.limit_microusd or 0
    resets = state.resets_at.astimezone(_zone(budget)).strftime("%Y-%m-%d %H:%M")
    ceiling = _ceiling(budget, background=background)
    share = f" ({usd(ceiling)} of it for background work)" if ceiling < limit else ""
    asked = f", {usd(amount_microusd)} more was asked for" if amount_microusd else ""
    return (
        f"{budget.whose}: the limit of {usd(limit)} per {budget.period}{share} is reached: "
        f"{usd(state.spent_microusd)} spent, {usd(state.reserved_microusd)} reserved{asked}. "
        f"It resets at {resets} {budget.zone}; {_way_out(budget)}."
    )


def _way_out(budget: Budget) -> str:
    until = "" if budget.at_limit == "stop" else "until then use a free tier, or "
    raised = "`limit_usd`"
    if budget.of_key:
        raised = f"`twotier key set {budget.client} --budget-usd`"
    elif budget.of_job:
        raised = f"`budget_usd` of the job {budget.job}"
    return f"{until}raise {raised}"
