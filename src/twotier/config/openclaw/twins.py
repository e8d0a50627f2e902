"""The file of ours that a job of OpenClaw's becomes. Pure.

A twin keeps the frontier tier unless its model was local; a local one stays local, whatever
OpenClaw's chain of fallbacks would have done. It does not chat: its answer goes into a file, or to
the webhook it had. Everything that is otherwise stands in its file as a comment, and in the report.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from twotier.config.edit import value
from twotier.config.openclaw.notes import Note
from twotier.config.openclaw.polling import TOKENS_A_RUN, Looking, Tokens, looking
from twotier.config.openclaw.records import Original
from twotier.config.openclaw.settings import Settings, whole
from twotier.config.openclaw.tiers import Made, Tier
from twotier.config.openclaw.times import When, duration_text
from twotier.config.openclaw.variables import KEY_LEFT_OUT

OUTBOX = "file:outbox/{job}-{date}.md"
OUTPUT_TOKENS_MAX = 8_192  # what OpenClaw lets a model write where nobody says otherwise
WATCHED_TOKENS_MAX = 1_000  # a longer answer is no poll's
NAME_CHARACTERS_MAX = 48
TOOLS = {
    "web_search": "search", "web_fetch": "fetch", "read": "files", "ls": "files", "grep": "files",
    "find": "files",
}  # fmt: skip
LONG = re.compile(r"[A-Za-z0-9_-]{20,}")
COMMENT_CHARACTERS_MAX = 600
SPEND = re.compile(
    r"\b(spend|spent|costs?|bill|budget)\b.*(\$|\bdollars?\b|\busd\b)",
    re.IGNORECASE | re.DOTALL,
)
SPEND_TOLD = (
    "adds up money by a model: [[budgets]] alert_usd tells it from the ledger, without one; see"
    " `twotier job add spend-check`"
)
NOTHING_TO_LOOK_WITH = "off until it has its [watch]: without one it has nothing to look with"


@dataclass(frozen=True, slots=True)
class Twin:
    """One job of ours: the settings of its file, what is told of it, and the watcher it could
    have. `watched`: it has it.
    """

    original: Original
    name: str
    settings: Mapping[str, Any]
    notes: tuple[Note, ...]
    tokens: Tokens
    looking: Looking | None = None
    watched: bool = False
    runs_a_day: float = 0.0
    local: bool = False
    tier: str = ""


@dataclass(frozen=True, slots=True)
class Around:
    """What a job is written against. `watchers`: those that are complete are written, not proposed.
    `tokens`: what a run took, by the job's own log.
    """

    settings: Settings
    made: Made
    watchers: bool = False
    tokens: Mapping[str, int] = field(default_factory=dict)


def twin(original: Original, name: str, *, when: When, around: Around) -> Twin | Note:
    """A job's twin, or why there is none."""
    where = f"job {original.name}"
    if problem := unsayable(original) or when.problem:
        return Note("dropped", where, problem)
    notes = [Note("changed", where, text) for text in when.differs]
    chosen = model_of(original, around.settings)
    ref = around.settings.ref(chosen)
    tier = around.made.tier(ref)
    notes += model_notes(original, chosen, around=around, tier=tier)
    found = looking(original.message, runs_a_day=when.runs_a_day)
    watched = bool(around.watchers and found and not found.missing)
    put = {
        **when.settings,
        "prompt": original.message,
        **tier_settings(original, tier, around=around),
    }
    put |= limits(original, tier, around=around)
    deliver, told = delivery(original)
    put["deliver"] = deliver
    notes += [Note("changed", where, one) for one in told]
    if SPEND.search(original.message):
        notes.append(Note("changed", where, SPEND_TOLD))
    tools, dropped = tools_of(original)
    put |= {"tools": tools} if tools and not watched else {}
    notes += [Note("changed", where, one) for one in dropped]
    notes += [Note("dropped", where, one) for one in other(original)]
    if around.settings.skip_missed and "at" not in put:
        put["missed"] = "skip"
    if off := (NOTHING_TO_LOOK_WITH if found and not watched else in_main_chat(original)):
        put["enabled"] = False
        notes.append(Note("warning", where, off))
    elif not original.enabled or not around.settings.cron:
        put["enabled"] = False
    if watched:
        put |= {
            "each": False,
            "output_tokens_max": min(WATCHED_TOKENS_MAX, put["output_tokens_max"]),
        }
    return Twin(
        original,
        name,
        put,
        tuple(notes),
        tokens(original, when, around=around),
        looking=found,
        watched=watched,
        runs_a_day=when.runs_a_day,
        local=bool(tier and tier.local),
        tier=tier.name if tier else "",
    )


def tokens(original: Original, when: When, *, around: Around) -> Tokens:
    """What a poll takes a day, by its log or by a guess."""
    measured = around.tokens.get(original.id)
    return Tokens(when.runs_a_day, measured or TOKENS_A_RUN, measured is not None)


def in_main_chat(original: Original) -> str:
    """Why a twin is off that would say something into nothing; empty for all others."""
    if original.session != "main":
        return ""
    return "off: it spoke into the main chat; switch it on if its prompt makes sense alone"


def unsayable(original: Original) -> str:
    """Why a job cannot be one of ours; empty where it can."""
    if original.own:
        return "OpenClaw made it for itself"
    if original.kind == "command":
        return (
            "it runs a program and asks no model: leave it to cron, or make a job of ours that"
            ' watches what it prints (kind = "command")'
        )
    if original.kind == "script":
        return "it is a script of OpenClaw's own; a program that prints what is new can be watched"
    if original.kind not in ("agentTurn", "systemEvent"):
        return f"there is nothing like {original.kind} with us"
    if "trigger" in original.extras:
        return (
            "a script of OpenClaw's own says when it runs; let a program print what is new and"
            ' watch that (kind = "command")'
        )
    return "" if original.message else "it says nothing to a model"


def model_of(original: Original, settings: Settings) -> str:
    """The name of the model a job asks: its own, its agent's, or everybody's."""
    agent = settings.agents.get(original.agent or settings.agent)
    return original.model or (agent.primary if agent else "") or settings.choice.primary


def model_notes(
    original: Original, chosen: str, *, around: Around, tier: Tier | None
) -> Iterator[Note]:
    """What is to be told of a job's model."""
    where, settings = f"job {original.name}", around.settings
    ref = settings.ref(chosen)
    if ref is not None and not settings.allows(ref):
        text = f"{ref} is not in OpenClaw's list of models, which refuses or replaces it; we ask it"
        yield Note("warning", where, text)
    if chosen and tier is None:
        yield Note(
            "warning", where, f"its model {chosen!r} has no tier here: it goes to the frontier"
        )
    if original.model and tier:
        text = (
            "payload.model: several releases of OpenClaw asked the primary model all the same; here"
            " it holds, and each run says which model served"
        )
        yield Note("changed", where, text)


def tier_settings(original: Original, tier: Tier | None, *, around: Around) -> dict[str, Any]:
    """Which tiers may serve it, and the model where it is not the first one of its side."""
    if tier is None or not tier.local:
        first = next((one for one in around.made.tiers if not one.local), None)
        pinned = {"model": tier.name} if tier and tier is not first else {}
        return {"tier": "frontier", **pinned}
    first = next(one for one in around.made.tiers if one.local)
    own = [around.made.tier(around.settings.ref(one)) for one in original.fallbacks or ()]
    crosses = any(one is not None and not one.local for one in own)
    pinned = {"model": tier.name} if tier is not first else {}
    return {"tier": "local-then-frontier" if crosses else "local-only", **pinned}


def limits(original: Original, tier: Tier | None, *, around: Around) -> dict[str, Any]:
    """How long its answer and its run may be."""
    model = around.settings.model(tier.ref) if tier else None
    most = model.output_tokens_max if model else None
    found: dict[str, Any] = {"output_tokens_max": min(most or OUTPUT_TOKENS_MAX, OUTPUT_TOKENS_MAX)}
    if seconds := whole(original.timeout_seconds):
        found["deadline"] = duration_text(seconds)
    return found


def delivery(original: Original) -> tuple[str, list[str]]:
    """Where its answer goes, and what is told of that."""
    said = original.delivery
    if said.mode == "webhook" and plain(said.to):
        return f"webhook:{said.to}", []
    if said.mode == "webhook":
        text = (
            'the address of its webhook may be a secret: it writes a file; see deliver = "webhook:"'
        )
        return OUTBOX, [text]
    if said.mode == "announce":
        to = f" to {said.channel}" if said.channel not in ("", "last") else ""
        text = f"it told a chat{to}: it writes a file; `twotier notify` and ntfy: reach a phone"
        return OUTBOX, [text]
    return OUTBOX, []


def plain(address: str) -> bool:
    """Whether an address of a webhook holds nothing that may be a secret."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    beside = parts.query or parts.fragment or "@" in parts.netloc
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and not beside
        and not LONG.search(parts.path)
    )


def tools_of(original: Original) -> tuple[list[str], list[str]]:
    """The tools of ours that do what its own did, and what is told of the others."""
    if original.kind == "systemEvent":
        return [], []
    if not original.tools or "*" in original.tools:
        text = "its agent had every tool of OpenClaw's, the twin has none: give it those it needs"
        return [], [f"{text} (tools, docs/tools.md)"]
    ours = list(dict.fromkeys(TOOLS[one] for one in original.tools if one in TOOLS))
    ready = [one for one in ours if one != "search"]
    told = [f"its tools became {', '.join(ready) or 'none'}"]
    if "search" in ours:
        told.append('its web_search: say tools = ["search"] once [tools.search] is set')
    if rest := [one for one in original.tools if one not in TOOLS]:
        told.append(f"its tools {', '.join(rest)} have no match that is given unasked")
    return ready, told


def other(original: Original) -> Iterator[str]:
    """What else has no place here."""
    if original.session == "main":
        yield "it spoke in the main chat and knew what was said there: a run of ours begins anew"
    elif original.session != "isolated":
        yield f"it spoke in the session {original.session}: a run of ours begins anew"
    if KEY_LEFT_OUT in original.message:
        yield "a key stood in its prompt and was left out: give it by a tool (docs/tools.md)"
    if original.thinking:
        yield f"thinking = {original.thinking}: a job has no such setting"
    if original.schedule.get("kind") != "at" and "pacing" in original.extras:
        yield "pacing: it keeps its period"
    if "failureAlert" in original.extras:
        yield "failureAlert: every job's failures are told, see docs/alerts.md"


def free_name(name: str, taken: Collection[str]) -> str:
    """A name of ours for a job, which nothing else has."""
    plain_ = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:NAME_CHARACTERS_MAX].strip("-")
    plain_ = plain_ or "job"
    numbered = (f"{plain_}-{number}" for number in range(2, 10_000))
    return plain_ if plain_ not in taken else next(one for one in numbered if one not in taken)


def text_of(twin_: Twin, *, source: str) -> str:
    """The text of its file."""
    lines = [f"# {one_line(one)}" for one in head(twin_, source)]
    lines += [f"{key} = {value(to)}" for key, to in twin_.settings.items()]
    if twin_.looking and twin_.watched:
        lines += ["", "[watch]", *watch_lines(twin_.looking)]
    elif twin_.looking:
        proposed = proposal(twin_.looking, twin_.tokens)
        lines += ["", *(f"# {one_line(one)}".rstrip() for one in proposed)]
    return "\n".join(lines) + "\n"


def head(twin_: Twin, source: str) -> Iterator[str]:
    """The lines above the settings."""
    yield f"The twin of OpenClaw's job {one_line(twin_.original.name)!r} ({twin_.original.id}) in"
    yield f"{source}. It is yours: an import never changes it once you did."
    if twin_.original.about:
        yield one_line(twin_.original.about)
    for note in twin_.notes:
        yield f"- {note.text}"


def one_line(words: str) -> str:
    """Words of somebody else's on one line, without what no file should hold."""
    return re.sub(r"[\x00-\x1f\x7f\u2028\u2029]+", " ", words)[:COMMENT_CHARACTERS_MAX].strip()


def watch_lines(found: Looking) -> Iterator[str]:
    """The settings of a watcher; those that are missing with what to write there."""
    yield f"kind = {value(found.kind)}"
    for key, to in found.settings.items():
        yield f"{key} = {value(to)}"
    for key, like in found.missing.items():
        yield f"{key} = {value([like] if key in ('argv', 'symbols') else like)}"


def proposal(found: Looking, took: Tokens) -> Iterator[str]:
    """The watcher as comments, ready to be taken."""
    yield "Proposed: look first, and ask a model only about what is new. Take the # away"
    yield "below, fill in what is named as an example, and take out enabled = false above."
    yield took.said()
    yield ""
    yield "[watch]"
    yield from watch_lines(found)
