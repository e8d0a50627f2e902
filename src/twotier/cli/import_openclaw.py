"""`twotier import openclaw`: says what of OpenClaw's would be taken along, and with `--write` does.

Nothing is written before the whole configuration is right with it. OpenClaw's own files are only
read here; `handover` switches its jobs off. A second import changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from textwrap import TextWrapper
from typing import Any

from twotier.build import money
from twotier.cli.job_draft import live
from twotier.cli.output import emit, say, show
from twotier.cli.progress import working
from twotier.clock import SystemClock
from twotier.config.job_files import FOLDER, JobFile, job_files
from twotier.config.load import Loaded, check_text, load
from twotier.config.openclaw.disk import Place, read
from twotier.config.openclaw.notes import KINDS, Kind, grouped
from twotier.config.openclaw.plan import Ours, Plan, Step, Terms, planned
from twotier.config.openclaw.prices import Known
from twotier.config.openclaw.remembered import Memory, remember, remembered
from twotier.config.openclaw.report import HEADS, report
from twotier.config.openclaw.settings import COSTS
from twotier.config.openclaw.tiers import Have
from twotier.config.paths import make_private, paths_of
from twotier.config.schema import Config
from twotier.config.work import JobConfig
from twotier.config.write import put_file, rewrite
from twotier.config.zones import zone_name
from twotier.ledger.prices import PriceBook
from twotier.ledger.shipped import shipped_prices
from twotier.models.catalogue import entries

WIDTH = 80
NAME_SHOWN, RUNS_SHOWN = 22, 24
REPORT = "openclaw-import.md"
SHOWN_MAX = 12  # notes of a kind on the screen; the report has all
NAME_SHORTEST = 6  # of a model in the catalogue that is looked for inside of another name
MICROUSD = 1_000_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed. `path`: OpenClaw's folder or a file of it, None for where it usually lies."""

    path: Path | None = None
    write: bool = False
    watchers: bool = False
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Import:
    """All that is known before anything is written."""

    config: Path
    place: Place
    memory: Memory
    plan: Plan

    @property
    def state(self) -> Path:
        """Where our memory of it lies."""
        return paths_of(self.config).state

    @property
    def writes(self) -> list[Step]:
        """The files of jobs that are written."""
        return [step for step in self.plan.steps if step.writes]

    @property
    def changes(self) -> bool:
        """Whether anything is written at all."""
        return bool(self.writes or self.plan.added or self.plan.made.aliases)


def imported(config: Path, wanted: Wanted, *, as_json: bool) -> int:
    """Say it, or do it. Raises `ConfigError`."""
    with working("reading OpenClaw's files"):
        found = prepared(config, wanted)
        checked(found)
    waits = write(found) if wanted.write else ""
    if as_json:
        emit(document(found, written=wanted.write, waits=waits))
    else:
        tell(found, written=wanted.write, waits=waits)
    return 0


def prepared(config: Path, wanted: Wanted) -> Import:
    """Read both sides; plan."""
    loaded = load(config) if config.exists() else None
    memory = remembered(paths_of(config).state)
    earlier = Path(memory.folder) if memory.folder and Path(memory.folder).is_dir() else None
    place = read(wanted.path or earlier, env=os.environ, home=Path.home())
    clock = SystemClock()
    terms = Terms(
        now=clock.now(),
        local=zone_name("local"),
        known=known(loaded, today=clock.now().date()),
        watchers=wanted.watchers,
        anew=wanted.anew,
    )
    return Import(
        config,
        place,
        memory,
        planned(place.theirs, ours(config, loaded, memory=memory), terms=terms),
    )


def ours(config: Path, loaded: Loaded | None, *, memory: Memory) -> Ours:
    """What is there already."""
    kept = {id_: job.kept for id_, job in memory.jobs.items()}
    files = {
        one.path.stem: one.path.read_text(encoding="utf-8") for one in job_files(config.parent)
    }
    if loaded is None:
        return Ours(names=frozenset(files), files=files, kept=kept)
    tiers = {name: tier.model_dump(mode="json") for name, tier in loaded.config.tiers.items()}
    names = frozenset([*files, *(job.name for job in loaded.config.jobs)])
    text = loaded.path.read_text(encoding="utf-8")
    have = Have(tiers, loaded.config.aliases, memory.tiers)
    return Ours(text, have, names, files, kept)


def known(loaded: Loaded | None, *, today: date) -> Known:
    """What we know of prices and windows."""
    book = money.prices(loaded) if loaded else shipped_prices()
    return Known(rates_of(book, today), window_of)


def rates_of(book: PriceBook, today: date) -> Callable[[str, str], Mapping[str, float] | None]:
    """A model's rates of today in USD per million tokens, by OpenClaw's names."""

    def rates(provider: str, model: str) -> Mapping[str, float] | None:
        price = book.price(provider, model, on=today)
        if price is None:
            return None
        base = price.base
        each = (base.input, base.output, base.cache_read, base.cache_write)
        return {name: rate / MICROUSD for name, rate in zip(COSTS, each, strict=True)}

    return rates


def window_of(model: str) -> int | None:
    """The tokens a model was made for, where the catalogue knows it by a part of its name."""
    plain = model.lower().replace("_", "-")
    for entry in entries():
        names = (name.lower() for name in entry.also if len(name) >= NAME_SHORTEST)
        if any(name in plain for name in names):
            return entry.model.shape.window_tokens if entry.model.shape else None
    return None


def checked(found: Import) -> Config:
    """The whole configuration as it would be. Raises `ConfigError` with the job's file."""
    there = {one.path.stem for one in job_files(found.config.parent)}
    steps = [one for one in found.writes if one.twin.name not in there]
    more = [JobFile(file_of(found, one), table_of(one)) for one in steps]
    for one in found.writes:
        JobConfig.model_validate(table_of(one))
    return check_text(found.plan.text, found.config, more=more)


def table_of(step: Step) -> dict[str, Any]:
    """The settings of a job's file."""
    import tomllib

    return {"name": step.twin.name, **tomllib.loads(step.text)}


def file_of(found: Import, step: Step) -> Path:
    """Where a job's file lies."""
    return found.config.parent / FOLDER / f"{step.twin.name}.toml"


def write(found: Import) -> str:
    """Write it all, the configuration first: a job's file may name a tier of it. Why it is not live
    yet; empty where it is, or nothing changed.
    """
    if not found.config.exists():
        found.config.parent.mkdir(parents=True, exist_ok=True)
        put_file(found.config, found.plan.text.encode())
    elif found.plan.text != found.config.read_text(encoding="utf-8"):
        rewrite(found.config, found.plan.text)
    for step in found.writes:
        file = file_of(found, step)
        file.parent.mkdir(exist_ok=True)
        put_file(file, step.text.encode())
    now = SystemClock().now()
    folder = str(found.place.folder.absolute())
    memory = found.memory.with_plan(found.plan, folder=folder, at=now)
    if memory != found.memory:
        make_private(found.state)
        remember(found.state, memory)
    if not found.changes:
        return ""
    text = report(found.plan, folder=folder, at=now.astimezone())
    put_file(found.config.parent / REPORT, text.encode())
    return live(found.config)


def tell(found: Import, *, written: bool, waits: str) -> None:
    """For people: what comes of it on stdout, what to do next on stderr."""
    plan = found.plan
    say(f"# {found.place.config or found.place.jobs or found.place.folder}")
    for tier in plan.made.tiers:
        print(f"tier   {tier.name:10} {tier.ref}{' (there already)' if tier.there else ''}")
    for alias, target in plan.made.aliases.items():
        print(f"alias  {alias:10} {target}")
    show(job_row(step) for step in plan.steps)
    for kind in KINDS:
        if said := grouped(plan.notes, kind):
            print(f"\n{HEADS[kind]}:")
            for line in shown(said, kind):
                print(line)
    if any(step.twin.looking for step in plan.steps):
        print("\nWatchers for jobs that poll, which ask no model while nothing is new; --watchers")
        print("writes those that are complete:")
    for step in plan.steps:
        if step.twin.looking:
            took = step.twin.tokens.said()
            print("\n".join(wrapped(f"{step.twin.name}: {step.twin.looking.kind}; {took}")))
    say(after(found, written=written, waits=waits))


def shown(said: Mapping[str, list[str]], kind: Kind) -> Iterator[str]:
    """Sentences with what they are about."""
    for number, (text, places) in enumerate(said.items()):
        if number == SHOWN_MAX and kind != "warning":
            yield f"- and {len(said) - number} more, in {REPORT}"
            return
        names = ", ".join(places[:3]) + (f" and {len(places) - 3} more" if len(places) > 3 else "")
        yield from wrapped(f"{names}: {text}")


def wrapped(text: str) -> list[str]:
    """A sentence in lines that fit, the first one with a mark."""
    lines = TextWrapper(WIDTH, initial_indent="- ", subsequent_indent="  ")
    lines.break_long_words = lines.break_on_hyphens = False  # names are copied
    return lines.wrap(text)


def job_row(step: Step) -> tuple[str, ...]:
    """A job as one line."""
    put = step.twin.settings
    state = str("" if step.writes else step.state)
    state += "" if put.get("enabled", True) else " (off)"
    runs = next(f"{key} {put[key]}" for key in ("every", "cron", "at") if key in put)
    return ("job", step.twin.name[:NAME_SHOWN], runs[:RUNS_SHOWN], str(put["tier"]), state.strip())


def after(found: Import, *, written: bool, waits: str) -> str:
    """The last line: what to type next."""
    if not found.changes:
        return "nothing to change: all of it is here already"
    if not written:
        return (
            f"nothing is written yet. `twotier import openclaw --write` writes {found.config},"
            f" {len(found.writes)} jobs and {REPORT}"
        )
    where = found.config.parent / REPORT
    done = f"written; what was changed or dropped, and why: {where}"
    return f"{done}\n{f'not live yet: {waits}' if waits else 'it is live: `twotier job list`'}"


def document(found: Import, *, written: bool, waits: str) -> dict[str, Any]:
    """All of it for scripts."""
    plan = found.plan
    return {
        "folder": str(found.place.folder),
        "config": str(found.config),
        "written": written,
        "changes": found.changes,
        "because": waits,
        "tiers": [
            {"name": one.name, "ref": str(one.ref), "local": one.local, "there": one.there}
            for one in plan.made.tiers
        ],
        "aliases": plan.made.aliases,
        "jobs": [job_document(step) for step in plan.steps],
        "notes": [
            {"kind": note.kind, "where": note.where, "text": note.text} for note in plan.notes
        ],
    }


def job_document(step: Step) -> dict[str, Any]:
    """One job for scripts."""
    one, took = step.twin, step.twin.tokens
    watcher = one.looking and {
        "kind": one.looking.kind,
        "settings": dict(one.looking.settings),
        "missing": dict(one.looking.missing),
        "written": one.watched,
        "tokens_a_day_before": took.before,
        "tokens_a_day_after": took.after,
        "measured": took.measured,
    }
    return {
        "id": one.original.id,
        "original": one.original.name,
        "name": one.name,
        "state": step.state,
        "enabled": bool(one.settings.get("enabled", True)),
        "trigger": {
            key: one.settings[key]
            for key in ("every", "cron", "at", "zone", "jitter")
            if key in one.settings
        },
        "tier": one.settings["tier"],
        "watcher": watcher,
    }
