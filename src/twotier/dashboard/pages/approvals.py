"""What waits for a yes: the exact call, where the wish came from, what it costs; and what was said.

A yes is for one call with exactly the arguments that the page showed: their hash goes with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from twotier.dashboard.page import Done, Form, Page, Told, Visit
from twotier.dashboard.peer import all_found
from twotier.dashboard.visible import cut, pretty
from twotier.dashboard.words import instant
from twotier.errors import RequestError

ANSWERED_SHOWN = 50
ARGUMENTS_CHARACTERS_MAX = 100_000
LINE_CHARACTERS_MAX = 200
MICRO = 1_000_000
SOON_SECONDS = 3_600
TAINTS = ("private", "untrusted")


async def told(visit: Visit) -> Told:
    """The page."""
    waiting, answered = await all_found(
        visit.worker.get("/approvals"),
        visit.worker.get("/approvals", {"answered": ANSWERED_SHOWN}),
    )
    now = visit.clock.now()
    return {
        "found": waiting,
        "asks": [approval_told(one, now) for one in (waiting.value or {}).get("approvals", ())],
        "answered": [
            answered_told(one, now) for one in (answered.value or {}).get("approvals", ())
        ],
    }


async def waiting(visit: Visit) -> int:
    """How many wait."""
    return len((await visit.worker.get("/approvals"))["approvals"])


def approval_told(one: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A call as it is shown: its arguments whole, what it would do, and what the run holds."""
    text = pretty(one["arguments"])
    source = str(one["source"])
    held = source.partition(";")[0]
    return {
        **one,
        "arguments_list": listed(one["arguments"]),
        "arguments_text": cut(text, ARGUMENTS_CHARACTERS_MAX)[0],
        "more": cut(text, ARGUMENTS_CHARACTERS_MAX)[1],
        "does": str(one["labels"]).split(),
        "taint": [label for label in TAINTS if label in held],
        "soon": is_soon(one, now),
        "usd": f"{one['price_microusd'] / MICRO:.6f}",
        "run_at": f"runs/{quote(str(one['run']), safe='')}",
    }


def listed(arguments: Any) -> list[tuple[str, str]]:
    """Arguments one by one, a text as it would be read."""
    if not isinstance(arguments, Mapping):
        return [("", cut(pretty(arguments), ARGUMENTS_CHARACTERS_MAX)[0])]
    texts = ((key, one if isinstance(one, str) else pretty(one)) for key, one in arguments.items())
    return [(str(key), cut(text, ARGUMENTS_CHARACTERS_MAX)[0]) for key, text in texts]


def answered_told(one: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A call that was answered, in a line."""
    late = one["decided_by"] == "time"
    word = "ran out" if late else "allowed" if one["verdict"] == "yes" else "refused"
    text, more = cut(pretty(one["arguments"]).replace("\n", " "), LINE_CHARACTERS_MAX)
    kind = {"allowed": "good", "refused": "bad"}.get(word, "warn")
    line = f"{text} …" if more else text
    return {**approval_told(one, now), "word": word, "kind": kind, "line": line}


def is_soon(one: Mapping[str, Any], now: datetime) -> bool:
    """Whether it runs out within the hour."""
    until = instant(one["expires_at"])
    return until is not None and (until - now).total_seconds() < SOON_SECONDS


async def yes(visit: Visit, form: Form) -> Done:
    """Allow this one call."""
    return await decide(visit, form, verdict="yes")


async def no(visit: Visit, form: Form) -> Done:
    """Refuse it."""
    return await decide(visit, form, verdict="no")


async def decide(visit: Visit, form: Form, *, verdict: str) -> Done:
    """The owner's word, bound to the arguments that were shown."""
    approval, seen = form.get("id", ""), form.get("sha256", "")
    if not approval or not seen:
        raise RequestError("this form does not say what is meant; load the page again")
    body = {"verdict": verdict, "arguments_sha256": seen, "by": "dashboard"}
    done = await visit.worker.post(f"/approvals/{quote(approval, safe='')}", body)
    told = done["approval"]
    word, what = ("Allowed", "goes on") if verdict == "yes" else ("Refused", "goes on without")
    return Done(f"{word}: {told['tool']} of {told['job']}; the run {what}.")


PAGE = Page(
    name="approvals",
    path="approvals",
    title="Approvals",
    told=told,
    live=("asks", "answered"),
    actions={"yes": yes, "no": no},
    nav="Approvals",
    waiting=waiting,
)
