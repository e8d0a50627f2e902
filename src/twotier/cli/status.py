"""`twotier status`: what runs, what each tier can do now, and what today has cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from twotier.cli.output import dollars, emit, local_time, show, without_secrets
from twotier.cli.peers import main_of


def status(config: Path, *, as_json: bool) -> int:
    """Ask main, print. Raises `NotRunningError` when nobody answers."""
    told = without_secrets(main_of(config).get("/control/status"))
    if as_json:
        emit(told)
        return 0
    print(f"twotier {told['version']}, pid {told['pid']}, {told['address']}")
    print(f"since {local_time(told['started_at'])}\n")
    show([*(tier_row(tier) for tier in told["tiers"]), worker_row(told["worker"])])
    print()
    for line in money_lines(told):
        print(line)
    return 0


def tier_row(tier: Mapping[str, Any]) -> tuple[str, ...]:
    """Name, state, model, and why or where."""
    return (tier["name"], tier["state"], tier["ref"], where(tier))


def where(tier: Mapping[str, Any]) -> str:
    """The reason of a state, or where the tier answers."""
    if tier.get("because"):
        return str(tier["because"])
    pid = f"pid {tier['pid']}" if tier.get("pid") else ""
    return " at ".join(part for part in (pid, tier.get("address")) if part)


def worker_row(worker: Mapping[str, Any]) -> tuple[str, ...]:
    """The worker in the same columns."""
    return ("worker", worker["state"], "", where(worker))


def money_lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Today, then every budget."""
    yield f"today {dollars(told['spend_today_usd'])}"
    for budget in told["budgets"]:
        limits = ", ".join(
            f"{word} {dollars(budget[field])}"
            for word, field in (("alert", "alert_usd"), ("limit", "limit_usd"))
            if budget.get(field) is not None
        )
        yield (
            f"budget {budget['name']}: {dollars(budget['spent_usd'])} spent,"
            f" {dollars(budget['reserved_usd'])} reserved; {limits or 'no limit'};"
            f" starts anew {local_time(budget['resets_at'])}{passed(budget)}"
        )


def passed(budget: Mapping[str, Any]) -> str:
    """What a budget has passed, in capitals; money held for answers on their way counts."""
    spent = Decimal(budget["spent_usd"]) + Decimal(budget["reserved_usd"])
    for word, field in (("LIMIT", "limit_usd"), ("ALERT", "alert_usd")):
        if budget.get(field) is not None and spent >= Decimal(budget[field]):
            return f" -- {word} REACHED"
    return ""
