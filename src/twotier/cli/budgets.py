"""Every budget as a line: what is spent and held, where it is going, when it starts anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from twotier.cli.output import dollars, local_time

SCOPE = ("job", "client", "tier", "model", "work")


def budget_lines(budgets: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One line each."""
    for budget in budgets:
        yield (
            f"{whose(budget)}: {dollars(budget['spent_usd'])} spent,"
            f" {dollars(budget['reserved_usd'])} reserved{coming(budget)};"
            f" {limits(budget)}; starts anew {local_time(budget['resets_at'])}"
            f"{refused(budget)}{passed(budget)}"
        )


def whose(budget: Mapping[str, Any]) -> str:
    """Its name, and whose work counts if that is not all of it."""
    if budget.get("of_key"):
        return f"key {budget['name']}"
    words = [f"{word} {budget[word]}" for word in SCOPE if budget.get(word)]
    return f"budget {budget['name']}" + (f" ({', '.join(words)})" if words else "")


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
    for word, field in (("LIMIT", "limit_usd"), ("ALERT", "alert_usd")):
        if budget.get(field) is not None and spent >= Decimal(budget[field]):
            return f" -- {word} REACHED"
    return ""
