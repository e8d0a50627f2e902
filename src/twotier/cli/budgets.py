"""`twotier budget`, and every budget as a line: what is spent, and where it is going."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from twotier.cli.output import dollars, emit, local_time, prose
from twotier.cli.peers import main_of
from twotier.clock import SystemClock
from twotier.errors import LedgerError

AHEAD = timedelta(hours=1)
SCOPE = ("job", "client", "tier", "model", "work")


def listed(config: Path, *, as_json: bool) -> int:
    """Every budget now. Raises `LedgerError` where the ledger cannot be read."""
    status = main_of(config).get("/control/status")
    if status["budgets"] is None:
        raise LedgerError(status["ledger"]["unreadable"])
    return told(status["budgets"], as_json=as_json)


def clock_settled(config: Path, *, as_json: bool) -> int:
    """The clock ran ahead and is right now: budgets are those of today again."""
    done = main_of(config).post("/control/budgets/settle-clock")
    return told(done["budgets"], as_json=as_json)


def told(budgets: Sequence[Mapping[str, Any]], *, as_json: bool) -> int:
    """As lines, or for scripts."""
    if as_json:
        emit({"budgets": budgets})
        return 0
    for line in budget_lines(budgets):
        for part in prose(line):
            print(part)
    if not budgets:
        print("no budgets; [[budgets]] in the configuration sets them")
    return 0


def budget_lines(budgets: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One line each."""
    for budget in budgets:
        yield (
            f"{whose(budget)}: {dollars(budget['spent_usd'])} spent,"
            f" {dollars(budget['reserved_usd'])} reserved{past(budget)}{coming(budget)};"
            f" {limits(budget)}; starts anew {local_time(budget['resets_at'])}"
            f"{refused(budget)}{passed(budget)}"
        )
    now = SystemClock().now()
    if any(ahead(budget, now) for budget in budgets):
        yield (
            "the ledger is ahead of the clock: what is spent counts in the last period that was"
            " paid in. If the clock ran ahead by mistake, and is right now: `twotier budget"
            " settle-clock`"
        )


def ahead(budget: Mapping[str, Any], now: datetime) -> bool:
    """Whether the ledger has rows of a time to come. A step of an hour mends itself."""
    at = budget.get("ledger_time")
    return at is not None and datetime.fromisoformat(at) > now + AHEAD


def whose(budget: Mapping[str, Any]) -> str:
    """Its name, and whose work counts if that is not all of it."""
    if budget.get("of_key"):
        return f"key {budget['name']}"
    words = [f"{word} {budget[word]}" for word in SCOPE if budget.get(word)]
    return f"budget {budget['name']}" + (f" ({', '.join(words)})" if words else "")


def past(budget: Mapping[str, Any]) -> str:
    """What did not come through twotier; it counts for the alert alone."""
    amount = budget.get("outside_usd", 0)
    return f", {dollars(amount)} not through twotier" if Decimal(amount) else ""


def coming(budget: Mapping[str, Any]) -> str:
    """Where it is going, once enough has been seen."""
    forecast = budget.get("forecast_usd")
    return "" if forecast is None else f", {dollars(forecast)} by its end at this pace"


def limits(budget: Mapping[str, Any]) -> str:
    """What is set."""
    words = [
        f"{word} {dollars(budget[field])}"
        for word, field in (("alert", "alert_usd"), ("limit", "limit_usd"))
        if budget.get(field) is not None
    ]
    return ", ".join(words) or "no limit"


def refused(budget: Mapping[str, Any]) -> str:
    """How often it said no."""
    count = budget.get("refused", 0)
    return f", {count} refused" if count else ""


def passed(budget: Mapping[str, Any]) -> str:
    """What a budget has passed, in capitals; money held for answers on their way counts."""
    spent = Decimal(budget["spent_usd"]) + Decimal(budget["reserved_usd"])
    seen = spent + Decimal(budget.get("outside_usd", 0))
    for word, field, reached in (("LIMIT", "limit_usd", spent), ("ALERT", "alert_usd", seen)):
        if budget.get(field) is not None and reached >= Decimal(budget[field]):
            return f" -- {word} REACHED"
    return ""
