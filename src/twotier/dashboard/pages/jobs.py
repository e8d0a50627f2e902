"""All jobs: how each went of late, when it runs next, what it costs and what its quiet looks save.

It stands on what `twotier job list`, `runs`, `spend` and `savings` tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from functools import partial
from typing import Any
from urllib.parse import quote

from twotier.dashboard.page import Done, Form, Page, Told, Visit
from twotier.dashboard.peer import Found, all_found, found
from twotier.dashboard.run_words import STATES, bars, run_told, summary
from twotier.errors import RequestError

STRIP_RUNS = 48
LINKS_MAX = 240  # of bars, on one page: a link weighs as much as three bars


async def told(visit: Visit) -> Told:
    """The page; a figure that cannot be had is left out, and its place says why."""
    jobs, strips = await all_found(
        visit.worker.get("/jobs"), visit.worker.get("/strips", {"runs": STRIP_RUNS})
    )
    month, quiet = await this_month(visit) if jobs else (Found(), Found())
    spent, saved = by_job(month), (quiet.value or {}).get("jobs", {})
    runs = {one["name"]: one["runs"] for one in (strips.value or {}).get("jobs", ())}
    now = visit.clock.now()
    listed = (jobs.value or {}).get("jobs", ())
    return {
        "jobs": jobs,
        "linked": max(1, min(STRIP_RUNS, LINKS_MAX // max(1, len(listed)))),
        "rows": [
            {
                **row(job, runs.get(job["name"], ()), zone=visit.zone, now=now),
                "month_usd": spent.get(job["name"], "0") if month else None,
                "quiet": saved.get(job["name"]),
            }
            for job in listed
        ],
        "states": STATES,
        "because": month.because or quiet.because or strips.because,
    }


async def this_month(visit: Visit) -> tuple[Found[dict[str, Any]], Found[dict[str, Any]]]:
    """What jobs cost since the month began, and what looks that found nothing have saved."""
    now = visit.clock.now()
    span = {"since": month_begin(now, visit.zone).isoformat(), "until": now.isoformat()}
    keep, get = visit.keep, visit.main.get
    spend = partial(get, "/control/spend", {**span, "by": "job"})
    saved = partial(get, "/control/savings/quiet", span)
    key = span["since"]
    return (
        await found(keep.fresh(f"jobs-spend {key}", spend)),
        await found(keep.fresh(f"jobs-quiet {key}", saved)),
    )


def month_begin(now: datetime, zone: tzinfo) -> datetime:
    """The first moment of this month, in a zone."""
    return now.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def by_job(spend: Found[dict[str, Any]]) -> Mapping[str, str]:
    """Dollars by the name of a job."""
    return {str(one["key"]): one["cost_usd"] for one in (spend.value or {}).get("rows", ())}


def row(job: Mapping[str, Any], runs: Any, *, zone: tzinfo, now: datetime) -> dict[str, Any]:
    """A job as it is listed."""
    last = job["last_run"]
    return {
        **job,
        "bars": bars(runs, zone=zone, now=now),
        "summary": summary(runs),
        "last": run_told(last) if last else None,
        "at": place_of(str(job["name"])),
    }


def place_of(job: str) -> str:
    """Where a job's page is, below `/ui/`."""
    return f"jobs/{quote(job, safe='')}"


# -- what can be done with a job, on this page and on its own


async def run(visit: Visit, form: Form) -> Done:
    """Begin a run; its page shows how it goes."""
    name = named(visit, form)
    begun = await visit.worker.post(f"/jobs/{quote(name, safe='')}/run")
    return Done(f"A run of {name} has begun.", f"runs/{quote(str(begun['run']), safe='')}")


async def pause(visit: Visit, form: Form) -> Done:
    """Its slots pass until it is resumed."""
    name = named(visit, form)
    await visit.worker.post(f"/jobs/{quote(name, safe='')}/pause")
    return Done(f"{name} is paused: its times pass, and none counts as missed.")


async def resume(visit: Visit, form: Form) -> Done:
    """Its slots count again."""
    name = named(visit, form)
    await visit.worker.post(f"/jobs/{quote(name, safe='')}/resume")
    return Done(f"{name} runs again, from its next time on.")


def named(visit: Visit, form: Form) -> str:
    """The job that is meant: that of the page, or of the form."""
    name = visit.place.get("name") or form.get("name", "")
    if not name:
        raise RequestError("this form names no job; load the page again")
    return name


ACTIONS = {"run": run, "pause": pause, "resume": resume}
PAGE = Page(
    name="jobs",
    path="jobs",
    title="Jobs",
    told=told,
    live=("list",),
    actions=ACTIONS,
    nav="Jobs",
)
