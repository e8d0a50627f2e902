"""Every request: who asked, which tier answered, by which rule, at what cost here and elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from twotier.dashboard.page import Page, Told, Visit

FILTERS = ("job", "client", "tier", "rule", "outcome")
OUTCOMES = ("ok", "failed", "refused", "open")
KINDS = {"ok": "good", "failed": "bad", "refused": "warn", "open": "busy"}
# How a rule's effect is marked.
EFFECTS = {"chose": "good", "removed": "bad", "restricted": "warn", "waits": "busy"}
# What was seen of a request, in the order in which it is told.
SEEN = (
    *("model_asked", "kind", "kind_from", "dialect", "prompt_tokens", "output_tokens"),
    *("output_tokens_asked", "tools", "images", "policy", "job", "client", "deadline_seconds"),
)


async def told(visit: Visit) -> Told:
    """Some requests, the newest first. The stream shows news on the first stretch alone."""
    asked = {name: visit.query.get(name, "") for name in FILTERS}
    before = visit.query.get("before", "")
    found = await visit.main.get("/control/decisions", {**asked, "before": before})
    chosen = {name: value for name, value in asked.items() if value}
    return {
        "requests": found["requests"],
        "asked": asked,
        "names": {**found["names"], "outcome": list(OUTCOMES)},
        "kinds": KINDS,
        "first": not before,
        "filtered": bool(chosen),
        "newest": f"?{urlencode(chosen)}" if chosen else "",
        "older": f"?{urlencode({**chosen, 'before': found['next']})}" if found["next"] else "",
        "looked": found["looked"],
        "since": found["since"],
    }


async def one(visit: Visit) -> Told:
    """One request in full."""
    request = visit.place["request"]
    found = await visit.main.get(f"/control/decisions/{quote(request, safe='')}")
    decisions = [with_seen(each) for each in found["decisions"]]
    return {"request": request, "decisions": decisions, "kinds": KINDS, "effects": EFFECTS}


def with_seen(decision: Mapping[str, Any]) -> Mapping[str, Any]:
    """A decision with what was seen of its request as pairs; what says nothing is left out."""
    task = decision["task"]
    seen = [
        (name.replace("_", " "), task[name]) for name in SEEN if task.get(name) not in ("", None, 0)
    ]
    return {**decision, "seen": seen}


PAGE = Page(
    name="decisions",
    path="decisions",
    title="Decisions",
    told=told,
    live=("requests",),
    nav="Decisions",
)
ONE = Page(
    name="decision",
    path="decisions/{request}",
    title="Decision",
    told=one,
    live=("decision",),
    under="decisions",
)
