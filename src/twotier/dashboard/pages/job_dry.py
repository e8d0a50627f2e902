"""What a run of a job would do now: what is new, the prompt, the tools, who is asked, the price.

Its watcher looks and nothing of it is stored; no model is asked. `twotier job run NAME --dry`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twotier.dashboard.page import Page, Told, Visit
from twotier.dashboard.pages.jobs import place_of
from twotier.dashboard.peer import Found, all_found, found
from twotier.errors import NotFoundError

ASKED = ("model", "policy", "kind", "output_tokens_max")


async def told(visit: Visit) -> Told:
    """The page. Raises `NotFoundError` for no such job."""
    name = visit.place["name"]
    at = place_of(name)
    job, dry = await all_found(visit.worker.get(f"/{at}"), visit.worker.get(f"/{at}/dry"))
    if isinstance(job.error, NotFoundError):
        raise job.error
    would = dry.value or {}
    route: Found[dict[str, Any]] = Found()
    if would.get("prompts"):
        route = await found(visit.main.post("/control/route", question(name, would)))
    return {
        "name": name,
        "at": at,
        "job": job.value,
        "found": dry,
        "dry": would,
        "route": route,
        "options": (route.value or {}).get("options", ()),
    }


def question(name: str, would: Mapping[str, Any]) -> dict[str, Any]:
    """The first question of the run, as main is asked about it."""
    wanted = {key: would[key] for key in ASKED}
    asked = {"prompt": would["prompts"][0], "system": would["system"], "job": name}
    return {**asked, **wanted, "tools": len(would["tools"])}


PAGE = Page(
    name="job-dry",
    path="jobs/{name}/dry",
    title="Dry run",
    told=told,
    under="jobs",
)
