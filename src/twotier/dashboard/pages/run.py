"""One run: what it did step by step, what was said, what it holds, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from twotier.dashboard.page import Done, Form, Page, Told, Visit
from twotier.dashboard.pages.approvals import approval_told
from twotier.dashboard.pages.jobs import place_of
from twotier.dashboard.peer import all_found
from twotier.dashboard.run_words import ON_THE_WAY, RESUMABLE, run_told
from twotier.dashboard.timeline import talk, timeline
from twotier.dashboard.visible import cut
from twotier.dashboard.words import instant
from twotier.errors import NotFoundError, RequestError

ANSWER_CHARACTERS_MAX = 20_000


async def told(visit: Visit) -> Told:
    """The page. Raises `NotFoundError` for no such run."""
    name = visit.place["id"]
    at = path_of(name)
    run, steps, calls, transcript, approvals = await all_found(
        visit.worker.get(f"/{at}"),
        visit.worker.get(f"/{at}/steps", {"texts": 1}),
        visit.worker.get(f"/{at}/calls"),
        visit.worker.get(f"/{at}/transcript"),
        visit.worker.get("/approvals", {"run": name}),
    )
    if run.value is None and isinstance(run.error, NotFoundError):
        raise run.error
    line = timeline((steps.value or {}).get("steps", ()))
    turns = (transcript.value or {}).get("turns", ())
    open_ones = (one for one in (approvals.value or {}).get("approvals", ()) if not one["verdict"])
    return {
        "name": name,
        "at": at,
        "found": run,
        "run": told_of(run.value, line) if run.value else None,
        "steps": line,
        "steps_because": steps.because,
        "asks": [approval_told(one, visit.clock.now()) for one in open_ones],
        "refused": refused((calls.value or {}).get("calls", ())),
        "talk": talk(turns),
        "answers": [answer(one) for one in (run.value or {}).get("answers", ())],
    }


def told_of(run: Mapping[str, Any], line: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The run with its mark, how long it took, and what it holds at its end."""
    begun, ended = instant(run["started_at"]), instant(run["ended_at"])
    asked = run.get("asked") or {}
    kind, _, rest = str(run["trigger"]).partition(":")
    rules = [str(step["rule"]) for step in line if step.get("rule")]
    return {
        **run_told(run),
        "job_at": place_of(str(run["job"])),
        "seconds": (ended - begun).total_seconds() if begun and ended else None,
        "on_the_way": run["state"] in ON_THE_WAY,
        "resumable": run["state"] in RESUMABLE,
        "taint": list(line[-1]["taint"]) if line else [],
        "wanted": ", ".join(str(one) for one in asked.values() if one not in ("", "auto")) or "any",
        "rule": rules[-1] if rules else "",
        "began_by": {"hand": "your order", "schedule": "its schedule"}.get(kind, kind),
        "began_from": rest.partition(":")[2] or rest,
    }


def refused(calls: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Calls of tools that were not made."""
    return [one for one in calls if one["event"] == "judged" and one["verdict"] == "refuse"]


def answer(told: Mapping[str, Any]) -> dict[str, Any]:
    """An answer as it was delivered, or not."""
    text, more = cut(str(told["text"]), ANSWER_CHARACTERS_MAX)
    good = told["delivery"] == "delivered"
    return {**told, "text": text, "more": more, "kind": "good" if good else "warn"}


def path_of(run: str) -> str:
    """Where a run is, below the worker's API and below `/ui/`."""
    return f"runs/{quote(run, safe='')}"


# -- what can be done with a run


async def cancel(visit: Visit, _: Form) -> Done:
    """It ends now."""
    await visit.worker.post(f"/{path_of(visit.place['id'])}/cancel")
    return Done("It is cancelled; what it had not finished is left for the next run.")


async def resume(visit: Visit, _: Form) -> Done:
    """It goes on from its last finished step."""
    await visit.worker.post(f"/{path_of(visit.place['id'])}/resume")
    return Done("It goes on from its last finished step.")


async def fork(visit: Visit, form: Form) -> Done:
    """A new run that keeps the steps before one, and does the rest again."""
    step = form.get("step", "")
    if not step.isdigit():
        raise RequestError("this form names no step; load the page again")
    new = await visit.worker.post(f"/{path_of(visit.place['id'])}/fork?step={int(step)}")
    text = f"This run has taken over what was done before step {int(step)}, and does the rest."
    return Done(text, path_of(str(new["run"])))


async def mark(visit: Visit, form: Form) -> Done:
    """The owner's own word on its answers."""
    good = form.get("good") == "yes"
    told = await visit.worker.post(f"/{path_of(visit.place['id'])}/mark", {"good": good})
    tiers = ", ".join(sorted({str(one["tier"]) for one in told["marked"]}))
    word = "good" if good else "bad"
    return Done(f"Marked as {word}: it counts in the job's record for {tiers}.")


PAGE = Page(
    name="run",
    path="runs/{id}",
    title="Run",
    told=told,
    live=("top", "line", "after"),
    actions={"cancel": cancel, "resume": resume, "fork": fork, "mark": mark},
    under="jobs",
)
