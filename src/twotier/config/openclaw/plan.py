"""Everything an import would do, before anything is done. Pure.

A second import changes nothing: a tier that is there is left, a job whose original does the same is
left, one that its owner edited or took away stays as he wants it. What an earlier import wrote is
told by a memory (`Kept`) of the sums of its files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from twotier.config.edit import put, value
from twotier.config.openclaw.notes import Note, table
from twotier.config.openclaw.prices import Known
from twotier.config.openclaw.records import Original, original
from twotier.config.openclaw.settings import READ, Choice, Settings, settings
from twotier.config.openclaw.tiers import Have, Made, Tier, made
from twotier.config.openclaw.times import when
from twotier.config.openclaw.twins import Around, Twin, free_name, one_line, text_of, twin
from twotier.config.openclaw.variables import missing
from twotier.config.openclaw.warned import warned

DEFAULT_PRIMARY = "anthropic/claude-opus-4-6"  # OpenClaw's own, early in 2026
State = Literal["new", "same", "changed", "edited", "gone"]
HEAD = """\
# twotier, begun with what OpenClaw had. Every setting there is: `twotier config schema`.
# What was changed on the way, and why, stands in openclaw-import.md beside this file.
"""
BUDGET = """
[[budgets]]                    # over money that was really spent, or is reserved for answers
period = "day"
zone = "local"
alert_usd = 15                 # tells you; nothing stops
limit_usd = 40                 # from here on only what is free
"""


@dataclass(frozen=True, slots=True)
class Theirs:
    """What OpenClaw's folder holds. `raw` is its configuration with all it includes, None where
    there is none; `tokens` is what a job's runs took on average, by its id.
    """

    folder: str
    raw: Any = None
    jobs: Sequence[Any] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kept:
    """What an earlier import wrote for one job: its name, the sum of its file, and what the
    original was then.
    """

    name: str
    wrote: str
    digest: str
    watched: bool = False


@dataclass(frozen=True, slots=True)
class Ours:
    """What is there already. `text` is empty where there is no configuration yet; `files` holds the
    jobs in files of their own, `names` those and all others.
    """

    text: str = ""
    have: Have = field(default_factory=Have)
    names: frozenset[str] = frozenset()
    files: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, Kept] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one job's file; `text` is what it would hold."""

    twin: Twin
    state: State
    text: str

    @property
    def writes(self) -> bool:
        """Whether its file is written."""
        return self.state in ("new", "changed")


@dataclass(frozen=True, slots=True)
class Plan:
    """All of it. `text` is the whole configuration afterwards."""

    text: str
    made: Made
    steps: tuple[Step, ...]
    notes: tuple[Note, ...]
    settings: Settings

    @property
    def added(self) -> list[Tier]:
        """The tiers that are not there yet."""
        return [one for one in self.made.tiers if not one.there]


@dataclass(frozen=True, slots=True)
class Terms:
    """What the import is told. `local` is this machine's zone by its IANA name."""

    now: datetime
    local: str
    known: Known
    watchers: bool = False
    anew: bool = False


def planned(theirs: Theirs, ours: Ours, *, terms: Terms) -> Plan:
    """The whole import."""
    said = settings(theirs.raw, env=theirs.env)
    read = {name: one for name, one in table(theirs.raw).items() if name in READ}
    notes = [
        Note("warning", at, f"the variable {name} is not set")
        for name, at in missing(read, theirs.env)
    ]
    if not said.choice.primary:
        said = replace(said, choice=Choice(DEFAULT_PRIMARY, said.choice.fallbacks))
        text = f"unset: {DEFAULT_PRIMARY}, which was OpenClaw's own, is the frontier tier"
        notes.append(Note("changed", "agents.defaults.model", text))
    originals = [
        one
        for number, raw in enumerate(theirs.jobs)
        if (one := original(raw, number_=number)) is not None
    ]
    wanted = [one.model for one in originals if not one.own]
    wanted += [name for one in originals for name in one.fallbacks or ()]
    found = made(said, wanted=wanted, have=ours.have, known=terms.known)
    around = Around(said, found, watchers=terms.watchers, tokens=theirs.tokens)
    steps, told = twins(originals, around, ours=ours, terms=terms, source=theirs.folder)
    notes += [*found.notes, *told, *(note for step in steps for note in step.twin.notes)]
    notes += warned(said, [step.twin for step in steps], known=terms.known)
    text = main_text(ours.text, found)
    return Plan(text, found, tuple(steps), tuple(dict.fromkeys(notes)), said)


def twins(
    originals: Sequence[Original], around: Around, *, ours: Ours, terms: Terms, source: str
) -> tuple[list[Step], list[Note]]:
    """A step for each job that has a twin, and a note for each that has none."""
    steps: list[Step] = []
    notes: list[Note] = []
    frontier = any(not one.local for one in around.made.tiers) or any(
        not is_local(tier) for tier in ours.have.tiers.values()
    )
    taken = {*ours.names, *(kept.name for kept in ours.kept.values())}
    for one in originals:
        kept = ours.kept.get(one.id)
        name = kept.name if kept else free_name(one.name, taken)
        taken.add(name)
        at = when(one.schedule, now=terms.now, local=terms.local)
        watchers = terms.watchers or bool(kept and kept.watched)
        found = twin(one, name, when=at, around=replace(around, watchers=watchers))
        if isinstance(found, Twin) and found.settings["tier"] == "frontier" and not frontier:
            text = "it needs a tier that is not local: add one and import again"
            found = Note("dropped", f"job {one.name}", text)
        if isinstance(found, Note):
            notes.append(found)
        else:
            steps.append(step(found, kept, ours=ours, terms=terms, source=source))
    return steps, notes


def step(found: Twin, kept: Kept | None, *, ours: Ours, terms: Terms, source: str) -> Step:
    """What becomes of a twin's file."""
    text = text_of(found, source=source)
    there = ours.files.get(found.name)
    if kept is None or (there is None and terms.anew):
        return Step(found, "new", text)
    if there is None:
        return Step(found, "gone", text)
    if sum_of(there) != kept.wrote:
        return Step(found, "edited", there)
    if kept.digest == found.original.digest and kept.watched == found.watched:
        return Step(found, "same", there)
    return Step(found, "changed" if text != there else "same", text)


def is_local(tier: Mapping[str, Any]) -> bool:
    """Whether a tier of the configuration is on the owner's own machine."""
    said = tier.get("local")
    return tier.get("engine") is not None if said is None else bool(said)


def sum_of(text: str) -> str:
    """What tells one text from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def main_text(before: str, found: Made) -> str:
    """The configuration with the tiers and aliases that it has not yet."""
    text = before or HEAD
    for tier in found.tiers:
        if not tier.there:
            text = text.rstrip("\n") + "\n\n" + "\n".join(section(tier)) + "\n"
    for alias, target in found.aliases.items():
        text = put(text, "aliases", key=alias, to=target)
    return text if before else text + BUDGET


def section(tier: Tier) -> Iterator[str]:
    """The lines of one tier."""
    yield f"[tiers.{tier.name}]"
    if tier.comment:
        yield f"# {one_line(tier.comment)}"
    yield from (f"{key} = {value(to)}" for key, to in tier.settings.items())
    if tier.price:
        yield f"\n[tiers.{tier.name}.price]"
        yield from (f"{key} = {value(to)}" for key, to in tier.price.items())
