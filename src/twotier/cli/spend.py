"""`twotier spend`: sums of the ledger over a span of local days."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from twotier.cli.budgets import budget_lines
from twotier.cli.output import dollars, emit, say, show
from twotier.cli.outside import outside_lines
from twotier.cli.peers import main_of
from twotier.clock import SystemClock
from twotier.config.paths import paths_of
from twotier.config.zones import LOCAL, zone_name
from twotier.domain.cells import safe
from twotier.errors import UsageError

FIELDS = ("requests", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
DATE_CHARACTERS = len("YYYY-MM-DD")
DAYS_MAX = 36_500  # a hundred years; the calendar itself ends at some point
HEADS = ("REQUESTS", "INPUT", "CACHE READ", "CACHE WRITE", "OUTPUT", "COST", "RESERVED", "MARKED")


@dataclass(frozen=True, slots=True)
class Span:
    """What was asked for. `since` and `until` are days or instants as they were written."""

    days: int = 1
    month: bool = False
    since: str = ""
    until: str = ""

    def edges(self, now: datetime) -> tuple[datetime, datetime]:
        """Both with their zone. Raises `UsageError`."""
        if not 1 <= self.days <= DAYS_MAX:
            raise UsageError(f"--days {self.days}: a number between 1 and {DAYS_MAX}")
        until = instant("--until", self.until, days=1) if self.until else now
        if self.since:
            return instant("--since", self.since, days=0), until
        return (since_month(now) if self.month else since_days(now, self.days)), until


def spend(config: Path, *, by: str, span: Span, as_csv: bool, as_json: bool) -> int:
    """Ask main for the sums of a span; days begin at midnight here."""
    since, until = span.edges(SystemClock().now().astimezone())
    query = {"by": by, "since": since.isoformat(), "until": until.isoformat()}
    told = main_of(config).get("/control/spend", {**query, "zone": zone_name(LOCAL)})
    if as_json:
        emit({**query, **told})
        return 0
    if as_csv:
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerow([by, *told["total"]])
        table.writerows([safe(entry["key"]), *list(entry.values())[1:]] for entry in told["rows"])
        return 0
    if told.get("held"):
        print(f"LEDGER HELD: {told['held']}\n")
    total = {"key": "total", **told["total"]}
    show([(by.upper(), *HEADS), *(row(entry) for entry in [*told["rows"], total])])
    for line in (*outside_lines(told.get("outside")), *budget_lines(told.get("budgets", ()))):
        print(line)
    return 0


def exported(
    config: Path, *, csv: Path | None, parquet: Path | None, span: Span, as_json: bool
) -> int:
    """Write the rows of the ledger's file; main need not run."""
    from twotier.ledger.export import write_csv, write_parquet

    since, until = span.edges(SystemClock().now().astimezone())
    file, write = (parquet, write_parquet) if csv is None else (csv, write_csv)
    assert file is not None  # noqa: S101 - the words saw to it
    count = write(paths_of(config).ledger, file, since=since, until=until)
    if as_json:
        emit({"file": str(file), "rows": count})
    else:
        say(f"{count} rows, {file}")
    return 0


def confirmed(config: Path, *, as_json: bool) -> int:
    """Tell main that the owner has looked."""
    told = main_of(config).post("/control/spend/confirm", {})
    if as_json:
        emit(told)
    elif told["was_held"]:
        print(f"confirmed; limits count again what the ledger knows. It said: {told['was_held']}")
    else:
        print("nothing was held: limits count what the ledger knows")
    return 0


def instant(option: str, written: str, *, days: int) -> datetime:
    """A day's local midnight, so many days later; or an instant, here if it names no zone."""
    try:
        when = datetime.fromisoformat(written)
    except ValueError as exc:
        raise UsageError(f"{option} {written!r}: write YYYY-MM-DD or an ISO instant") from exc
    if len(written) == DATE_CHARACTERS:
        when += timedelta(days=days)
    return when.astimezone() if when.tzinfo is None else when


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
