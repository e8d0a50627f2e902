"""One job of OpenClaw's, whatever the release that wrote it. Pure.

Repairs what OpenClaw itself repairs when it loads a job: names of old fields, a payload that stands
outside of its place, a delivery nobody wrote. What it does not know it ignores.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twotier.config.openclaw.notes import number, rows, table, text
from twotier.config.openclaw.variables import without_keys

KINDS = {"agentturn": "agentTurn", "systemevent": "systemEvent"}
NAME_CHARACTERS_MAX = 60
OWN = re.compile(r"(memory-core|heartbeat|skill-collection-review):")
# What changes by itself, or is only about who made the job: no reason to write a twin anew.
FLEETING = frozenset(
    [
        "state",
        "updatedAtMs",
        "enabled",
        "configRevision",
        "scheduledToolPolicy",
        "sortOrder",
        "nextRunAtMs",
        "deliveryPreview",
    ]
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a job's answer goes: `none`, `announce` (a chat) or `webhook`."""

    mode: str = "none"
    channel: str = ""
    to: str = ""


@dataclass(frozen=True, slots=True)
class Original:
    """A job as it was. `fallbacks` and `tools` are None where nothing is said. `session` is `main`,
    `isolated` or another one's name; `wake` is `now` or `next-heartbeat`. `own`: OpenClaw made it
    for itself. `digest` changes when what the job does changes.
    """

    id: str
    name: str
    kind: str
    schedule: Mapping[str, Any]
    digest: str
    about: str = ""
    message: str = ""
    enabled: bool = True
    agent: str = ""
    session: str = "isolated"
    wake: str = "now"
    model: str = ""
    fallbacks: tuple[str, ...] | None = None
    thinking: str = ""
    timeout_seconds: float | None = None
    tools: tuple[str, ...] | None = None
    delivery: Delivery = Delivery()
    created_ms: float = 0.0
    own: bool = False
    extras: tuple[str, ...] = ()


def original(raw: Any, *, number_: int) -> Original | None:
    """A job of what was stored; None where it is none at all. `number_`: its place in the store."""
    job = table(raw)
    if not job:
        return None
    payload = payload_of(job)
    kind = text(payload.get("kind")) or ("systemEvent" if "text" in payload else "agentTurn")
    kind = KINDS.get(kind.lower(), kind)
    message = without_keys(text(payload.get("message")) or text(payload.get("text")))
    id_ = text(job.get("id")) or text(job.get("jobId")) or f"number-{number_}"
    session = text(job.get("sessionTarget")) or ("main" if kind == "systemEvent" else "isolated")
    fallbacks, tools = payload.get("fallbacks"), payload.get("toolsAllow")
    return Original(
        id=id_,
        name=without_keys(text(job.get("name"))) or named(message) or id_,
        about=without_keys(text(job.get("description"))),
        kind=kind,
        schedule=schedule_of(job),
        digest=digest(job),
        message=message,
        enabled=job.get("enabled") is not False,
        agent=text(job.get("agentId")),
        session=session,
        wake=text(job.get("wakeMode")) or "now",
        model=text(payload.get("model")),
        fallbacks=None if fallbacks is None else tuple(map(text, rows(fallbacks))),
        thinking=text(payload.get("thinking")),
        timeout_seconds=number(payload.get("timeoutSeconds")),
        tools=None if tools is None else tuple(map(text, rows(tools))),
        delivery=delivery_of(job, payload, announced=kind == "agentTurn" and session != "main"),
        created_ms=number(job.get("createdAtMs")) or 0.0,
        own=is_own(job, message),
        extras=tuple(extras(job, payload)),
    )


def is_own(job: Mapping[str, Any], message: str) -> bool:
    """Whether OpenClaw made a job for itself. Owners may declare jobs by a key too."""
    managed = text(job.get("description")).startswith("[managed-by=")
    declared = OWN.match(text(job.get("declarationKey"))) is not None
    return managed or declared or message.startswith("__openclaw_")


def payload_of(job: Mapping[str, Any]) -> dict[str, Any]:
    """What a job does; early releases had some of it beside the payload."""
    beside = ("message", "text", "model", "thinking", "timeoutSeconds")
    return {**{key: job[key] for key in beside if key in job}, **table(job.get("payload"))}


def schedule_of(job: Mapping[str, Any]) -> dict[str, Any]:
    """When a job runs, in today's fields."""
    found = dict(table(job.get("schedule")))
    if isinstance(job.get("schedule"), str):
        found = {"kind": "cron", "expr": job["schedule"]}
    if "expr" not in found and "cron" in found:
        found["expr"] = found["cron"]
    if not text(found.get("kind")):
        named_by = {"expr": "cron", "everyMs": "every", "at": "at", "atMs": "at"}
        found["kind"] = next((kind for key, kind in named_by.items() if key in found), "")
    found["kind"] = text(found["kind"]).lower()
    if found["kind"] == "every" and number(found.get("anchorMs")) is None:
        found["anchorMs"] = number(job.get("createdAtMs")) or 0
    return found


def delivery_of(job: Mapping[str, Any], payload: Mapping[str, Any], *, announced: bool) -> Delivery:
    """Where the answer goes; `announced` where nobody said so."""
    said = table(job.get("delivery"))
    old = {key: job.get(key, payload.get(key)) for key in ("deliver", "channel", "provider", "to")}
    usual = "announce" if announced and old["deliver"] is not False else "none"
    mode = text(said.get("mode")).lower() or ("announce" if old["deliver"] is True else usual)
    return Delivery(
        mode="announce" if mode == "deliver" else mode,
        channel=text(said.get("channel")) or text(old["channel"]) or text(old["provider"]),
        to=text(said.get("to")) or text(old["to"]),
    )


def extras(job: Mapping[str, Any], payload: Mapping[str, Any]) -> list[str]:
    """What a job has that has no place with us, by the names it has there."""
    found = [key for key in ("trigger", "pacing", "failureAlert") if job.get(key)]
    more = ("lightContext", "allowUnsafeExternalContent")
    return [*found, *(key for key in more if payload.get(key))]


def named(message: str) -> str:
    """A name for a job that has none: how its message begins."""
    return re.split(r"[\n.]", message, maxsplit=1)[0][:NAME_CHARACTERS_MAX].strip()


def digest(job: Mapping[str, Any]) -> str:
    """The same as long as the job does the same."""
    kept = {key: value for key, value in job.items() if key not in FLEETING}
    plain = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(plain.encode()).hexdigest()
