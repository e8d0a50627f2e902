"""`twotier init`: look around, say what is there, write a configuration, probe, offer a job.

A configuration that is there is never changed: a second run says what it would do otherwise, and
probes the tiers that there are. In a terminal it asks; without one, or with `--yes`, it takes what
was found. Nothing that it does costs money or loads a model.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twotier.build.around import Around, look_around
from twotier.cli.connect_paid import document as fields
from twotier.cli.finding import MARKS
from twotier.cli.init_choice import (
    MEANS,
    Choice,
    Wanted,
    choose,
    found_lines,
    jobs_of,
    mode_of,
)
from twotier.cli.init_probe import Probed, probe
from twotier.cli.job_add import Wanted as WantedJob
from twotier.cli.job_add import made as made_job
from twotier.cli.job_add import tell_end as tell_job
from twotier.cli.output import emit, say, show
from twotier.cli.progress import working
from twotier.config.job_templates import template_names
from twotier.config.load import Loaded, load
from twotier.config.starter import Mode, starter_toml, write_starter
from twotier.connect.login import Login, login_of
from twotier.errors import UsageError
from twotier.models import discover


@dataclass(slots=True)
class Began:
    """The configuration as it is now. `choice` None: it was there before. `other` is what was asked
    for and is not so in it.
    """

    loaded: Loaded
    choice: Choice | None
    other: str = ""


def init(
    config: Path,
    wanted: Wanted,
    *,
    commands: Collection[str] = (),
    places: tuple[discover.Place, ...] = discover.PLACES,
) -> int:
    """Exit code 0 where a configuration is there afterwards that is as it was wanted. `commands`
    are those that may be named.
    """
    if wanted.job and wanted.job not in template_names():
        raise UsageError(f"no template {wanted.job!r}; `twotier job templates` lists them")
    with working("looking around"):
        around = asyncio.run(look_around(os.environ, home=Path.home(), places=places))
    if wanted.as_json:
        return for_scripts(config, wanted, around=around)
    login = claude_login(around)
    show(found_lines(around, login=login.text if login else "", commands=commands))
    asks = sys.stdin.isatty() and not wanted.yes
    began = begin(config, wanted, around=around, asks=asks)
    for line in began_lines(began):
        print(line)
    with working("asking each tier"):
        probed = probe(began.loaded)
    show(tier_rows(probed))
    if began.other:
        aside = f"`mv {config} {config}.old`"
        say(f"twotier: {began.other}; change the file, or begin anew after {aside}")
        return 1
    job = wanted.job or (asked_job(began.loaded) if asks else "")
    code, _ = add_job(began.loaded, job, wanted=wanted) if job else (0, None)
    for line in next_lines(began.loaded):
        say(line)
    return code


def for_scripts(config: Path, wanted: Wanted, *, around: Around) -> int:
    """The same as one document, and without questions."""
    began = begin(config, wanted, around=around, asks=False)
    probed = probe(began.loaded)
    told: dict[str, Any] | None = None
    code = int(bool(began.other))
    if wanted.job and not began.other:
        code, told = add_job(began.loaded, wanted.job, wanted=wanted)
    end = {"written": began.choice is not None, "because": began.other, "job": told}
    emit({**document(began.loaded, around, probed=probed), **end})
    return code


def tier_rows(probed: Sequence[Probed]) -> Iterator[tuple[str, str, str]]:
    """What is known of each tier, and the command that mends it."""
    for one in probed:
        mend = f"  ->  {one.mend}" if one.mend else ""
        yield MARKS[one.level], f"tier {one.tier}", f"{one.text}{mend}"


def begin(config: Path, wanted: Wanted, *, around: Around, asks: bool) -> Began:
    """A new file, checked by reading it back; or the one that is there, unchanged."""
    if config.exists():
        loaded = load(config)
        return Began(loaded, None, differs(loaded, wanted))
    choice = choose(around, wanted)
    if asks and not wanted.asks_for_tiers:
        choice = asked_mode(choice)
    text = starter_toml(choice.local, mode=choice.mode, key=choice.key, key_found=choice.key_found)
    write_starter(config, content=text)
    return Began(load(config), choice)


def began_lines(began: Began) -> list[str]:
    """What was done, and why so."""
    path = began.loaded.path
    if began.choice is None:
        mode = mode_of(began.loaded.config)
        return ["", f"{path} is there already (mode {mode}): nothing was changed"]
    choice = began.choice
    return [
        "",
        f"mode {choice.mode}: {MEANS[choice.mode]}",
        f"because {choice.because}",
        f"wrote {path}; it is yours to change",
    ]


def differs(loaded: Loaded, wanted: Wanted) -> str:
    """What was asked for and is not so in the file that is there; empty where all is."""
    mode, config = mode_of(loaded.config), loaded.config
    if wanted.mode and wanted.mode is not mode:
        return f"its mode is {mode}, not {wanted.mode}"
    models = {(tier.engine, tier.model) for tier in config.tiers.values()}
    if wanted.local and (wanted.local.engine, wanted.local.model) not in models:
        return f"no tier of it is {wanted.local.engine}:{wanted.local.model}"
    if wanted.frontier_key and wanted.frontier_key not in {
        one.key for one in config.tiers.values()
    }:
        return f"no tier of it has its key at {wanted.frontier_key}"
    return ""


def add_job(loaded: Loaded, name: str, *, wanted: Wanted) -> tuple[int, dict[str, Any] | None]:
    """The first job, from its template; one that is there stays."""
    if any(job.name == name for job in loaded.config.jobs):
        if not wanted.as_json:
            say(f"the job {name} is there already: nothing was changed")
        return 0, {"name": name, "written": False, "because": "it is there already"}
    order = WantedJob(name, answers=wanted.answers, as_json=wanted.as_json)
    code, told = made_job(loaded.path, order)
    if not wanted.as_json:
        tell_job(told)
    return code, told


# -- questions, in a terminal


def asked_mode(choice: Choice) -> Choice:
    """The mode a person takes; Enter is the one that was found."""
    say(f"\nWhich mode? Found: {choice.mode}, because {choice.because}.")
    for mode, means in MEANS.items():
        say(f"  {mode:<9} {means}")
    while True:
        say(f"both, local, frontier, none [{choice.mode}]")
        answer = sys.stdin.readline().strip().lower() or str(choice.mode)
        if answer in list(Mode):
            mode = Mode(answer)
            because = choice.because if mode is choice.mode else "you asked for it"
            return Choice(mode, choice.local, choice.key, choice.key_found, because)
        say(f"  {answer!r} is none of them")


def asked_job(loaded: Loaded) -> str:
    """A template's name; empty for none."""
    mode = mode_of(loaded.config)
    names = [name for name in jobs_of(mode) if not has_job(loaded, name)]
    if not names:
        return ""
    say(f"\nA first job beside inbox? {', '.join(names)}")
    while True:
        say("its name, or Enter for none")
        answer = sys.stdin.readline().strip()
        if not answer or answer in names:
            return answer
        say(f"  {answer!r} is none of them")


def has_job(loaded: Loaded, name: str) -> bool:
    """Whether the configuration has it."""
    return any(job.name == name for job in loaded.config.jobs)


# -- the end


def next_lines(loaded: Loaded) -> list[str]:
    """What to type now."""
    mode = mode_of(loaded.config)
    lines = ["\nnext:", "  twotier up          # and in another terminal:"]
    if mode is not Mode.NONE:
        lines.append('  twotier ask "Say hello in five words."')
    if mode.has_local:
        lines.append("  twotier models probe local          # how well it calls tools")
    if mode.has_frontier:
        lines.append("  twotier ask --model frontier Hello  # less than a cent")
    if has_job(loaded, "inbox"):
        lines.append(f"a text file in {loaded.home / 'inbox'} is the first job's work")
    return lines


def claude_login(around: Around) -> Login | None:
    """How Claude Code is paid for: which fields its files have, never what is in them."""
    folder = around.claude_code
    if folder is None:
        return None
    state = folder if "CLAUDE_CONFIG_DIR" in os.environ else Path.home()
    return login_of(
        os.environ,
        settings=fields(folder / "settings.json"),
        state=fields(state / ".claude.json"),
        credentials=fields(folder / ".credentials.json"),
    )


def document(loaded: Loaded, around: Around, *, probed: list[Probed]) -> Mapping[str, Any]:
    """Everything, for scripts. No value of a key is in it, nor was any read."""
    local, login = around.local, claude_login(around)
    return {
        "config": str(loaded.path),
        "mode": str(mode_of(loaded.config)),
        "found": {
            "servers": [
                {"kind": one.kind, "url": one.base_url, "models": list(one.models)}
                for one in around.servers
            ],
            "models": [
                {"name": one.name, "engine": one.engine, "bytes": one.size_bytes}
                for one in around.models
            ],
            "memory_bytes": around.memory_bytes,
            "keys": list(around.keys),
            "openclaw": around.openclaw and str(around.openclaw),
            "claude_code": around.claude_code and str(around.claude_code),
            "claude_login": login and login.kind,
            "local": local and {"engine": local.engine, "model": local.model},
        },
        "tiers": [
            {"tier": one.tier, "level": one.level, "text": one.text, "mend": one.mend}
            for one in probed
        ],
    }
