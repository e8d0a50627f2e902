"""What was spent, by day and by whatever there are sums for, and what was saved: as `twotier spend`
and `twotier savings` tell it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from twotier.dashboard.page import Done, Download, Form, Page, Told, Visit
from twotier.dashboard.peer import Found, found
from twotier.dashboard.words import share
from twotier.domain.cells import safe
from twotier.errors import NotFoundError

BY = ("tier", "model", "job", "key", "rule")
SPANS = {"today": "Today", "week": "7 days", "month": "This month", "30d": "30 days"}
DAYS = {"today": 1, "week": 7, "30d": 30}
CHART_DAYS = 30
SUMS_SECONDS, SAVINGS_SECONDS = 5.0, 60.0
# What of the savings is told under which words.
PARTS = {
    "no_model": "No model was needed",
    "local": "The local tier did it",
    "caching": "Prompt caching",
    "batch": "Batches",
    "against": "Failed and repeated tries, probes",
}
WAYS = {
    "A": "All of it at {frontier}, nothing cached",
    "B": "The same with caching and batches: the fair one",
    "C": "As B, but {cheap} for what was done here",
    "D": "As B, without the looks that found nothing",
    "P": "What was paid",
}


@dataclass(frozen=True, slots=True)
class Span:
    """What was asked for: `name` as the address has it, and both edges."""

    name: str
    title: str
    since: datetime
    until: datetime


async def told(visit: Visit) -> Told:
    """All of the page; what cannot be had says why."""
    by = visit.query.get("by", "")
    by = by if by in BY else BY[0]
    now = visit.clock.now().astimezone(visit.zone)
    span = span_of(visit.query.get("span", ""), now=now)
    thirty = midnight(now.date() - timedelta(days=CHART_DAYS - 1), visit.zone)
    status = await found(visit.status())
    sums = await found(sums_of(visit, by, span=span))
    days = await found(sums_of(visit, "day", span=Span("", "", thirty, now)))
    return {
        "by": by,
        "all_by": BY,
        "span": span,
        "spans": SPANS,
        "status": status,
        "sums": sums,
        "rows": shares(sums.value or {}),
        "days": days,
        "chart": chart(days.value or {}, status.value or {}, now=now),
        "savings": await savings_of(visit, month_of(now)),
        "parts": PARTS,
        "ways": WAYS,
        "asked": f"?by={by}&span={span.name}",
    }


async def sums_of(visit: Visit, by: str, *, span: Span) -> dict[str, Any]:
    """The sums of a span, a few seconds old at most. Raises what main says."""
    query = {"by": by, "since": span.since.isoformat(), "until": span.until.isoformat()}
    query["zone"] = str(visit.zone)
    key = f"spend {by} {span.since.isoformat()} {span.name}"
    asked: dict[str, Any] = await visit.keep.fresh(
        key, lambda: visit.main.get("/control/spend", query), seconds=SUMS_SECONDS, times=10.0
    )
    return asked


async def savings_of(visit: Visit, span: Span) -> Found[dict[str, Any]]:
    """What was saved this month. It is dear where there is much: the page shows what is known, and
    its stream, or whoever asks for it, finds out.
    """
    key = f"savings {span.since.isoformat()}"
    if not visit.live and "savings" not in visit.query:
        return Found(visit.keep.known(key))
    query = {"since": span.since.isoformat(), "until": span.until.isoformat()}
    asking = visit.keep.fresh(
        key, lambda: visit.main.get("/control/savings", query), seconds=SAVINGS_SECONDS
    )
    return await found(asking)


def shares(sums: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Each line with its share of the dearest."""
    rows = sums.get("rows", ())
    most = max((float(row["cost_usd"]) for row in rows), default=0.0)
    return [{**row, "share": share(row["cost_usd"], most)} for row in rows]


def chart(
    sums: Mapping[str, Any], status: Mapping[str, Any], *, now: datetime
) -> Mapping[str, Any]:
    """One bar for each day, also those without any; today's forecast, and the day's lines."""
    paid = {row["key"]: row for row in sums.get("rows", ())}
    days = [now.date() - timedelta(days=back) for back in range(CHART_DAYS - 1, -1, -1)]
    outlook = (status.get("outlook") or {}).get("day") or {}
    budgets = [one for one in status.get("budgets") or () if whole_day(one)]
    alert = next((one["alert_usd"] for one in budgets if one["alert_usd"] is not None), None)
    rows = [
        {
            "day": day.isoformat(),
            "short": f"{day.day} {day:%b}",
            "paid": (paid.get(day.isoformat()) or {}).get("cost_usd", "0"),
            "requests": (paid.get(day.isoformat()) or {}).get("requests", 0),
            "forecast": outlook.get("forecast_usd") if day == now.date() else None,
            "alert": alert,
        }
        for day in days
    ]
    return {
        "rows": rows,
        "alert": alert,
        "forecast": outlook.get("forecast_usd"),
        "any": bool(paid),
    }


def whole_day(budget: Mapping[str, Any]) -> bool:
    """Whether it is about all work of a day."""
    parts = ("job", "client", "tier", "model", "work")
    return budget["period"] == "day" and not any(budget.get(part) for part in parts)


def span_of(name: str, *, now: datetime) -> Span:
    """A span by its name: one of `SPANS`, a day `2026-02-03`, or a month `2026-02`; today for any
    other.
    """
    zone = now.tzinfo
    assert zone is not None  # noqa: S101 - the page gave it its own
    if name == "month":
        return Span(name, SPANS[name], month_of(now).since, now)
    if day := date_of(name):
        after = midnight(day + timedelta(days=1), zone)
        return Span(name, f"{day:%d %B %Y}", midnight(day, zone), min(after, now))
    if day := date_of(f"{name}-01"):
        after = midnight((day + timedelta(days=31)).replace(day=1), zone)
        return Span(name, f"{day:%B %Y}", midnight(day, zone), min(after, now))
    known = name if name in DAYS else "today"
    since = midnight(now.date() - timedelta(days=DAYS[known] - 1), zone)
    return Span(known, SPANS[known], since, now)


def month_of(now: datetime) -> Span:
    """This month until now."""
    zone = now.tzinfo
    assert zone is not None  # noqa: S101 - the page gave it its own
    return Span("month", SPANS["month"], midnight(now.date().replace(day=1), zone), now)


def date_of(text: str) -> date | None:
    """A date as it is written in an address, None for anything else."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if date(2000, 1, 1) <= found <= date(2200, 1, 1) else None


def midnight(day: date, zone: tzinfo) -> datetime:
    """When a day begins there; built from the date, because a day may have 23 hours."""
    return datetime.combine(day, time(), zone)


async def table(visit: Visit) -> Download:
    """The sums of a span as CSV, in the columns of `twotier spend --csv`."""
    by = visit.place["by"]
    if by not in (*BY, "day", "month"):
        raise NotFoundError(f"there are no sums by {by[:40]!r}; by: {', '.join(BY)}, day, month")
    now = visit.clock.now().astimezone(visit.zone)
    span = span_of(visit.query.get("span", ""), now=now)
    sums = await sums_of(visit, by, span=span)
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow([by, *sums["total"]])
    lines.writerows([safe(row["key"]), *list(row.values())[1:]] for row in sums["rows"])
    name = f"twotier-{by}-{span.since:%Y-%m-%d}.csv"
    return Download(name, text.getvalue().encode(), "text/csv; charset=utf-8")


async def confirm(visit: Visit, _: Form) -> Done:
    """The owner has looked at a ledger that was held."""
    await visit.main.post("/control/spend/confirm")
    return Done("Limits count again what the ledger knows.")


PAGE = Page(
    name="spend",
    path="spend",
    title="Spend",
    told=told,
    live=("held", "outlook", "sums", "savings"),
    actions={"confirm": confirm},
    nav="Spend",
    charts=True,
)
TABLE = Page(name="spend_table", path="spend/{by}.csv", title="", told=table, under="spend")
