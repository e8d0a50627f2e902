"""A new job: a template is chosen, its questions are answered, its text is seen, then written.

What is wrong stands at its answer and changes nothing. `twotier job add` asks the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from twotier.dashboard.page import Done, Form, Page, Told, Visit
from twotier.dashboard.pages.jobs import place_of
from twotier.errors import NotFoundError

ANSWER = "answer-"  # in front of a field's name: an answer may be called as one of ours
MICRO = 1_000_000
BLANK = "blank"


async def told(visit: Visit) -> Told:
    """All templates; one with its questions; or a draft of it."""
    templates = (await visit.main.get("/control/templates"))["templates"]
    templates.sort(key=lambda one: one["name"] != BLANK)
    draft = None
    if asked := visit.query.get("draft", ""):
        draft = (await visit.main.get(f"/control/jobs/drafts/{quote(asked, safe='')}"))["draft"]
    name = draft["template"] if draft else visit.query.get("template", "")
    chosen = next((one for one in templates if one["name"] == name), None)
    if name and chosen is None:
        raise NotFoundError(f"there is no template {name[:60]!r}; choose one of those there are")
    problems = (draft or {}).get("problems", {})
    return {
        "templates": templates,
        "chosen": chosen,
        "draft": draft,
        "problems": problems,
        "fields": fields(chosen, draft) if chosen else [],
        "costs": [cost(one) for one in (draft or {}).get("costs", ())],
        "others": others(chosen, problems),
    }


def fields(chosen: Mapping[str, Any], draft: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    """The questions of a form with what was answered, the name first."""
    usual = "" if chosen["name"] == BLANK else chosen["name"]
    name: dict[str, Any] = {
        "key": "name",
        "field": "name",
        "text": "What is it called?",
        "kind": "text",
        "example": "morning-brief",
        "optional": False,
        "choices": [],
        "default": usual,
        "value": draft["name"] if draft else usual,
    }
    answers = (draft or {}).get("answers", {})
    asks = [
        {
            **ask,
            "field": f"{ANSWER}{ask['key']}",
            "value": answers.get(ask["key"], ask["default"]),
        }
        for ask in chosen["asks"]
    ]
    return [name, *asks]


def others(chosen: Mapping[str, Any] | None, problems: Mapping[str, str]) -> Sequence[str]:
    """What is wrong with no single answer of this form."""
    asked = {"name"} | {ask["key"] for ask in (chosen or {}).get("asks", ())}
    return [f"{at}: {text}" if at else text for at, text in problems.items() if at not in asked]


def cost(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a run costs on a tier, in dollars; None where nobody knows its price."""
    microusd = told["microusd"]
    return {**told, "usd": None if microusd is None else f"{microusd / MICRO:.6f}"}


async def check(visit: Visit, form: Form) -> Done:
    """See the job as it would be, or what is wrong with the answers."""
    wanted = {
        "template": form.get("template", ""),
        "name": form.get("name", "").strip(),
        "answers": {
            key.removeprefix(ANSWER): text for key, text in form.items() if key.startswith(ANSWER)
        },
    }
    draft = (await visit.main.post("/control/jobs/drafts", wanted))["draft"]
    return Done("", f"new-job?draft={quote(draft['id'], safe='')}")


async def create(visit: Visit, form: Form) -> Done:
    """Write what was shown; the worker takes it."""
    draft = quote(form.get("draft", ""), safe="")
    written = await visit.main.post(f"/control/jobs/drafts/{draft}/write")
    waits = f" {written['waits']}." if written["waits"] else " It is live."
    return Done(f"{written['path']} is written.{waits}", place_of(str(written["job"])))


PAGE = Page(
    name="new-job",
    path="new-job",
    title="New job",
    told=told,
    actions={"check": check, "create": create},
    under="jobs",
)
