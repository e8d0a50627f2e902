"""The text of a job, changed: first seen as a difference, then written. Comments stay.

The text stands in its own file or in the main one; it is checked with the whole configuration, and
nothing is written before the second button. Secrets of addresses are not shown, and stay.
"""

from __future__ import annotations

from urllib.parse import quote

from twotier.dashboard.page import Done, Form, Page, Told, Visit
from twotier.dashboard.pages.jobs import place_of

WHOLE = ""
ROWS_MIN, ROWS_MAX = 8, 30


async def told(visit: Visit) -> Told:
    """The text as it lies there, or the draft that is being looked at."""
    name = visit.place["name"]
    at = place_of(name)
    there = await visit.main.get(f"/control/{at}/text")
    draft = None
    if asked := visit.query.get("draft", ""):
        draft = (await visit.main.get(f"/control/jobs/drafts/{quote(asked, safe='')}"))["draft"]
    return {
        "name": name,
        "at": at,
        "path": there["path"],
        "own": there["own"],
        "text": draft["text"] if draft else there["text"],
        "rows": max(ROWS_MIN, min(ROWS_MAX, there["text"].count("\n") + 3)),
        "sha256": draft["present"] if draft else there["sha256"],
        "draft": draft,
        "problem": (draft or {}).get("problems", {}).get(WHOLE, ""),
    }


async def check(visit: Visit, form: Form) -> Done:
    """Show what would be different, and whether it is right."""
    name = visit.place["name"]
    wanted = {"job": name, "text": form.get("text", ""), "sha256": form.get("sha256", "")}
    draft = (await visit.main.post("/control/jobs/drafts", wanted))["draft"]
    return Done("", f"{place_of(name)}/edit?draft={quote(draft['id'], safe='')}")


async def save(visit: Visit, form: Form) -> Done:
    """Write what was shown."""
    draft = quote(form.get("draft", ""), safe="")
    written = await visit.main.post(f"/control/jobs/drafts/{draft}/write")
    waits = f" {written['waits']}." if written["waits"] else " The worker has it."
    return Done(f"{written['path']} is written.{waits}", place_of(visit.place["name"]))


PAGE = Page(
    name="job-edit",
    path="jobs/{name}/edit",
    title="Edit a job",
    told=told,
    actions={"check": check, "save": save},
    under="jobs",
)
