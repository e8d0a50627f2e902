"""What an import did, or would do, as Markdown for its owner. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from twotier.config.openclaw.notes import KINDS, grouped
from twotier.config.openclaw.plan import Plan, Step
from twotier.config.openclaw.twins import watch_lines

HEADS = {
    "warning": "Look at these: they cost money, or are not what they seem",
    "changed": "Said otherwise here",
    "dropped": "Not taken",
}
STATES = {
    "new": "written",
    "same": "unchanged",
    "changed": "written anew: its original does something else now",
    "edited": "left alone: you edited it",
    "gone": "left away: you took its file away (`--anew` writes it again)",
}


def report(plan: Plan, *, folder: str, at: datetime) -> str:
    """The whole report."""
    return "\n".join(lines(plan, folder=folder, at=at)) + "\n"


def lines(plan: Plan, *, folder: str, at: datetime) -> Iterator[str]:
    """Its lines."""
    yield "# What came of OpenClaw's configuration"
    yield ""
    yield f"From `{folder}`, {at:%Y-%m-%d %H:%M}. OpenClaw's own files were not touched."
    yield ""
    yield from tiers(plan)
    yield from jobs(plan)
    yield from proposals(plan)
    for kind in KINDS:
        found = grouped(plan.notes, kind)
        if found:
            yield f"## {HEADS[kind]}"
            yield ""
            for text, places in found.items():
                yield f"- **{', '.join(map(plain, places))}**: {ours(text)}"
            yield ""
    yield "## What to do next"
    yield ""
    yield "1. `twotier up`, then `twotier job list`."
    yield "2. Both programs run their jobs until you hand them over; look at the answers of both."
    yield "3. `twotier import openclaw --handover` switches each original off once its twin has run"
    yield "   well; `--undo` switches it on again."


def tiers(plan: Plan) -> Iterator[str]:
    """Tiers and aliases."""
    yield "## Tiers and names"
    yield ""
    yield "| OpenClaw's | here | |"
    yield "|---|---|---|"
    for tier in plan.made.tiers:
        done = "there already" if tier.there else "added"
        yield f"| {plain(str(tier.ref))} | `{tier.name}` | {done} |"
    for alias, target in plan.made.aliases.items():
        yield f"| {plain(alias)} | `{plain(target)}` | alias added |"
    yield ""


def jobs(plan: Plan) -> Iterator[str]:
    """Every job that has a twin."""
    if not plan.steps:
        return
    yield "## Jobs"
    yield ""
    yield "| OpenClaw's | here | runs | tier | |"
    yield "|---|---|---|---|---|"
    for one in plan.steps:
        put = one.twin.settings
        off = "" if put.get("enabled", True) else ", off"
        name, runs = plain(one.twin.original.name), plain(trigger(one))
        yield (
            f"| {name} | `jobs/{one.twin.name}.toml` | {runs} | {put['tier']} |"
            f" {STATES[one.state]}{off} |"
        )
    yield ""


def trigger(one: Step) -> str:
    """When a job runs, in a word."""
    put = one.twin.settings
    found = next(f"{key} {put[key]}" for key in ("every", "cron", "at") if key in put)
    return f"{found} {put.get('zone', '')}".strip()


def proposals(plan: Plan) -> Iterator[str]:
    """The watchers that fit."""
    if not any(one.twin.looking for one in plan.steps):
        return
    yield "## Look before you ask: watchers for the jobs that poll"
    yield ""
    yield "A watcher asks no model while nothing is new. `--watchers` writes those that are"
    yield "complete; the others are comments in the job's file, with examples to replace."
    yield ""
    for one in plan.steps:
        took, watcher = one.twin.tokens, one.twin.looking
        if watcher is None:
            continue
        done = " (written)" if one.twin.watched else ""
        yield f"### {plain(one.twin.original.name)}: {watcher.kind}{done}"
        yield ""
        yield plain(took.said()).capitalize() + "."
        if watcher.template:
            yield f"A job that is ready but for its answers: `twotier job add {watcher.template}`."
        yield ""
        yield "```toml"
        yield "[watch]"
        yield from watch_lines(watcher)
        yield "```"
        yield ""


def ours(words: str) -> str:
    """A sentence of ours, which may quote a name of somebody else's: no tag, no link, no line."""
    return " ".join(words.split()).replace("<", "\\<").replace("[", "\\[")


def plain(words: str) -> str:
    """Words of somebody else's, which cannot become mark-up or another line."""
    shown = " ".join(words.split())
    for mark in "|<`*_[":
        shown = shown.replace(mark, f"\\{mark}") if mark != "`" else shown.replace(mark, "'")
    return shown
