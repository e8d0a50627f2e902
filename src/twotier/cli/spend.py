"""`twotier spend`: sums of the ledger over a span of local days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from twotier.cli.budgets import budget_lines
from twotier.cli.output import dollars, emit, show
from twotier.cli.peers import main_of
from twotier.clock import SystemClock
from twotier.errors import UsageError

FIELDS = ("requests", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
DAYS_MAX = 36_500  # a hundred years; the calendar itself ends at some point
HEADS = ("REQUESTS", "INPUT", "CACHE READ", "CACHE WRITE", "OUTPUT", "COST", "RESERVED", "MARKED")


def spend(config: Path, *, by: str, days: int, month: bool, as_json: bool) -> int:
    """Ask main for the sums since midnight `days` - 1 days ago, or since the first."""
    if not 1 <= days <= DAYS_MAX:
        raise UsageError(f"--days {days}: a number between 1 and {DAYS_MAX}")
    now = SystemClock().now().astimezone()
    since = since_month(now) if month else since_days(now, days)
    query = {"by": by, "since": since.isoformat(), "until": now.isoformat()}
    told = main_of(config).get("/control/spend", query)
    if as_json:
        emit({"by": by, "since": since.isoformat(), "until": now.isoformat(), **told})
        return 0
    total = {"key": "total", **told["total"]}
    show([(by.upper(), *HEADS), *(row(entry) for entry in [*told["rows"], total])])
    for line in budget_lines(told.get("budgets", ())):
        print(line)
    return 0


def since_days(now: datetime, days: int) -> datetime:
    """Local midnight, `days` - 1 days back. Built from the date: a day may have 23 hours."""
    date = now.date() - timedelta(days=days - 1)
    return datetime(date.year, date.month, date.day).astimezone()


def since_month(now: datetime) -> datetime:
    """Local midnight of the first of this month."""
    return since_days(now, now.day)


def row(entry: Mapping[str, Any]) -> tuple[object, ...]:
    """A sum as one line; what is not from a provider's own count is marked."""
    marks = [f"{entry[word]} {word}" for word in ("estimated", "unknown") if entry.get(word)]
    return (
        entry["key"] or "-",
        *(entry[field] for field in FIELDS),
        dollars(entry["cost_usd"]),
        dollars(entry["reserved_usd"]),
        ", ".join(marks),
    )
