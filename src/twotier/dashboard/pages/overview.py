"""The first page: are both tiers up, what does today cost, what needs me, what did the jobs do.

It stands on what `twotier status`, `runs`, `approve` and `savings` tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from twotier.dashboard.page import Page, Told, Visit
from twotier.dashboard.pages.spend import PARTS, month_of, savings_of
from twotier.dashboard.peer import Found, all_found
from twotier.dashboard.run_words import shown as run_shown
from twotier.dashboard.words import instant, plural, share

# A tier's or a process's state, and how it is marked.
KINDS = {
    "ready": "good",
    "coming-up": "busy",
    "down": "bad",
    "no-key": "warn",
    "quarantined": "bad",
    "standby": "idle",
}
WAITS = ("call of a tool waits for your yes", "calls of tools wait for your yes")
BAD_RUNS = ("failed", "interrupted", "missed")
NIGHT_HOURS = 12
MEMORY_HOURS = 0.25
RUNS_ASKED, RUNS_SHOWN, NEXT_SHOWN = 200, 5, 6


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that waits for a person. `to` is the page that has more, below `/ui/`."""

    kind: str
    head: str
    text: str
    to: str = ""
    since: str = ""


async def told(visit: Visit) -> Told:
    """All of the page; what cannot be had says why."""
    status, jobs, runs, approvals, memory = await all_found(
        visit.status(),
        visit.worker.get("/jobs"),
        visit.worker.get("/runs", {"limit": RUNS_ASKED, "fold": 1}),
        visit.worker.get("/approvals"),
        visit.main.get("/control/memory", {"hours": MEMORY_HOURS}),
    )
    now = visit.clock.now()
    state: Mapping[str, Any] = status.value or {}
    needs = needed(state, approvals, because=status.because)
    return {
        "status": status,
        "tiers": [tier_told(one) for one in state.get("tiers", ())],
        "worker": state.get("worker"),
        "needs": needs,
        "headline": headline(state, needs),
        "money": money(state),
        "parts": PARTS,
        "run_shown": run_shown,
        "night": night(runs, now - timedelta(hours=NIGHT_HOURS)),
        "next_runs": next_runs(jobs),
        "jobs": jobs,
        "memory": gauge(state, memory.value or {}),
        "savings": await savings_of(visit, month_of(now.astimezone(visit.zone))),
    }


def tier_told(tier: Mapping[str, Any]) -> Mapping[str, Any]:
    """One tier with its mark, and its memory as shares of the machine."""
    return {**tier, "kind": kind_of(str(tier["state"]))}


def kind_of(state: str) -> str:
    """How a state is marked; one nobody thought of is something to look at."""
    return KINDS.get(state, "warn")


def needed(
    state: Mapping[str, Any], approvals: Found[dict[str, Any]], *, because: str
) -> Sequence[Need]:
    """What waits for a person, the most urgent first."""
    found = [Need("bad", "No answer", because)] if because else []
    if held := (state.get("ledger") or {}).get("held"):
        found.append(Need("bad", "The ledger is held", str(held), "spend"))
    for alert in reversed(state.get("alerts", ())):
        kind = "bad" if alert["severity"] == "urgent" else "warn"
        text = " ".join(str(alert["text"]).split())
        found.append(Need(kind, f"{alert['about']}: {alert['kind']}", text, since=alert["at"]))
    waiting = (approvals.value or {}).get("approvals", ())
    if waiting:
        names = ", ".join(sorted({str(one.get("job", "")) for one in waiting}))
        found.append(
            Need("warn", plural(len(waiting), WAITS[0], many=WAITS[1]), f"in {names}", "approvals")
        )
    found.sort(key=lambda need: need.kind != "bad")
    return found


def headline(state: Mapping[str, Any], needs: Sequence[Need]) -> Mapping[str, str]:
    """The page in one sentence and a second, without figures that change every second: it is read
    aloud.
    """
    return {**first_words(state, needs), "more": second_words(state, needs)}


def second_words(state: Mapping[str, Any], needs: Sequence[Need]) -> str:
    """Who is up, and whether anything waits."""
    tiers = state.get("tiers", ())
    up = [str(one["name"]) for one in tiers if one["state"] == "ready"]
    if tiers and len(up) == len(tiers):
        said = "Both tiers are up" if len(up) == 2 else f"{listed(up)} {verb(up)} up"
    else:
        said = f"{listed(up)} {verb(up)} up" if up else "No tier is up"
    worker = (state.get("worker") or {}).get("state", "")
    jobs = "" if worker in ("ready", "") else f", and no job runs: the worker is {worker}"
    return f"{said}{jobs}." + ("" if needs else " Nothing waits for you.")


def verb(names: Sequence[str]) -> str:
    """`is` or `are`."""
    return "is" if len(names) == 1 else "are"


def first_words(state: Mapping[str, Any], needs: Sequence[Need]) -> Mapping[str, str]:
    """What matters most."""
    down = [str(one["name"]) for one in state.get("tiers", ()) if kind_of(one["state"]) == "bad"]
    rising = [str(one["name"]) for one in state.get("tiers", ()) if one["state"] == "coming-up"]
    if not state:
        return {"kind": "bad", "text": "twotier cannot say how it is"}
    if down:
        return {"kind": "bad", "text": f"{listed(down)} {verb(down)} down"}
    if needs:
        return {
            "kind": "bad" if needs[0].kind == "bad" else "warn",
            "text": plural(len(needs), "thing needs you", many="things need you"),
        }
    if rising:
        return {"kind": "busy", "text": f"{listed(rising)} {verb(rising)} coming up"}
    return {"kind": "good", "text": "All is well"}


def listed(names: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def money(state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Today against the day's budget: the first one for all work, where there is any."""
    budgets = [one for one in state.get("budgets") or () if not scope(one)]
    day = next((one for one in budgets if one["period"] == "day"), None)
    spent = state.get("spend_today_usd", "0")
    shown = None if day is None else {**day, **bar(day)}
    outlook = (state.get("outlook") or {}).get("day") or {}
    return {
        "spent_usd": spent,
        "forecast_usd": outlook.get("forecast_usd"),
        "day": shown,
        "others": [one for one in budgets if one is not day],
    }


def scope(budget: Mapping[str, Any]) -> str:
    """Whose work a budget counts, empty for all."""
    words = ("job", "client", "tier", "model", "work")
    return ", ".join(f"{word} {budget[word]}" for word in words if budget.get(word))


def bar(budget: Mapping[str, Any]) -> Mapping[str, Any]:
    """A budget as a bar: how full, and where its lines are. It ends at the largest of all."""
    seen = Decimal(budget["spent_usd"]) + Decimal(budget["reserved_usd"])
    amounts = {name: budget.get(f"{name}_usd") for name in ("alert", "limit", "forecast")}
    known = {name: Decimal(value) for name, value in amounts.items() if value is not None}
    end = max([seen, *known.values(), Decimal("0.01")])
    reached = next(
        (name for name in ("limit", "alert") if name in known and seen >= known[name]), ""
    )
    return {
        "percent": share(seen, end),
        "lines": [(min(share(value, end), 99.4), name) for name, value in known.items()],
        "kind": {"limit": "bad", "alert": "warn"}.get(reached, ""),
    }


def gauge(state: Mapping[str, Any], course: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The machine's memory as it was seen last: what the local servers hold, what all else does,
    and the line up to which it may fill. None where nobody looks.
    """
    samples = course.get("samples", ())
    if not samples or not samples[-1]["total_bytes"]:
        return None
    now = samples[-1]
    total, held = now["total_bytes"], sum(now["held"].values())
    needs = [one["memory"] for one in state.get("tiers", ()) if one.get("memory")]
    headroom = max((need.get("headroom_bytes") or 0 for need in needs), default=0)
    used = max(total - now["free_bytes"], held)
    return {
        "total": total,
        "held": now["held"],
        "other": used - held,
        "free": total - used,
        "headroom": headroom,
        "short": bool(headroom) and total - used < headroom,
        "used_percent": share(used, total),
        "held_percent": share(held, total),
        "line_percent": share(total - headroom, total) if headroom else None,
    }


def night(runs: Found[dict[str, Any]], since: datetime) -> Mapping[str, Any]:
    """What the jobs did of late: how many of each kind, and the last lines that say something."""
    all_runs = (runs.value or {}).get("runs", ())
    lately = [one for one in all_runs if (instant(one["slot"]) or since) >= since]
    counts: dict[str, int] = {}
    for one in lately:
        counts[one["state"]] = counts.get(one["state"], 0) + int(one.get("slots", 1))
    said = [one for one in lately if one["state"] != "quiet"]
    said.sort(key=lambda one: one["state"] not in BAD_RUNS)
    return {"runs": runs, "counts": counts, "shown": said[:RUNS_SHOWN], "hours": NIGHT_HOURS}


def next_runs(jobs: Found[dict[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The next slots of all jobs, in the order of time."""
    found = [
        {"name": one["name"], "at": one["next"][0], "when": one["schedule"]}
        for one in (jobs.value or {}).get("jobs", ())
        if one["enabled"] and not one["paused"] and one["next"]
    ]
    return sorted(found, key=lambda one: str(one["at"]))[:NEXT_SHOWN]


PAGE = Page(
    name="overview",
    path="",
    title="Overview",
    told=told,
    live=("headline", "needs", "tiers", "money", "night", "next", "saved", "memory"),
    nav="Overview",
)
