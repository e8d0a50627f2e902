"""One job: how it went, what is set, when it runs next, its last runs and its earlier settings."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from twotier.dashboard.page import Page, Told, Visit
from twotier.dashboard.pages.jobs import ACTIONS, STRIP_RUNS, place_of, row
from twotier.dashboard.peer import all_found
from twotier.dashboard.run_words import run_told
from twotier.errors import NotFoundError

RUNS_SHOWN, REVISIONS_SHOWN = 40, 20
# What is set, by its word on the page; what a job does not have is left out.
SETTINGS = (
    ("tier", "Tiers it may use"),
    ("model", "Model"),
    ("tools", "Tools"),
    ("deliver", "Answers go to"),
    ("output_tokens_max", "Longest answer, tokens"),
    ("answer_lines", "Lines of an answer"),
    ("deadline_seconds", "Longest time of a run, seconds"),
    ("missed", "Missed times"),
    ("overlap", "While a run is on"),
)


async def told(visit: Visit) -> Told:
    """The page. Raises `NotFoundError` for no such job."""
    name = visit.place["name"]
    at = place_of(name)
    job, strips, runs, revisions = await all_found(
        visit.worker.get(f"/{at}"),
        visit.worker.get("/strips", {"runs": STRIP_RUNS}),
        visit.worker.get("/runs", {"job": name, "limit": RUNS_SHOWN, "fold": 1}),
        visit.worker.get(f"/{at}/revisions"),
    )
    if job.value is None and isinstance(job.error, NotFoundError):
        raise job.error
    return {
        "name": name,
        "at": at,
        "found": job,
        "job": told_of(job.value, strips.value, visit=visit) if job.value else None,
        "settings": settings(job.value or {}),
        "runs": [run_told(one) for one in (runs.value or {}).get("runs", ())],
        "revisions": changes((revisions.value or {}).get("revisions", ())),
    }


def told_of(job: Mapping[str, Any], strips: Mapping[str, Any] | None, *, visit: Visit) -> Any:
    """The job with its strip."""
    runs = {one["name"]: one["runs"] for one in (strips or {}).get("jobs", ())}
    return row(job, runs.get(job["name"], ()), zone=visit.zone, now=visit.clock.now())


def settings(job: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """What is set, in words."""
    found = [(word, job.get(key)) for key, word in SETTINGS]
    watch = job.get("watch") or {}
    found += [(f"Watch: {key.replace('_', ' ')}", value) for key, value in watch.items()]
    return [(word, said(value)) for word, value in found if value not in (None, "", [], 0)]


def said(value: Any) -> str:
    """A setting as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def changes(revisions: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Each revision with what was different from the one before it, the newest first."""
    found = []
    for number, one in enumerate(revisions[:REVISIONS_SHOWN]):
        before = revisions[number + 1]["text"] if number + 1 < len(revisions) else ""
        lines = difflib.unified_diff(before.splitlines(), one["text"].splitlines(), lineterm="")
        found.append({**one, "diff": list(lines)[2:]})
    return found


PAGE = Page(
    name="job",
    path="jobs/{name}",
    title="Job",
    told=told,
    live=("all",),
    actions=ACTIONS,
    under="jobs",
)
