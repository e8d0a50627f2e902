"""`twotier job add TEMPLATE`: asks for what the job needs, tries it, tells its price, goes live.

The job becomes a file of its own below `jobs/`, which the owner edits from then on. Nothing is
written before everything is answered, the whole configuration is right with it, and what it watches
could be looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from twotier.cli.job_draft import Draft, drafted, live, set_already, tried, written
from twotier.cli.output import emit, say, show
from twotier.config.load import load
from twotier.config.secrets import places
from twotier.config.template import Template, checked, read
from twotier.errors import NotFoundError, UsageError

TEMPLATES = "twotier.config.templates"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed. `name`: the job's, if not the template's. `untested`: what it watches need
    not be there yet. `dry`: shown and tried, not written.
    """

    template: str
    name: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    untested: bool = False
    dry: bool = False
    as_json: bool = False


def template_names() -> list[str]:
    """The templates there are."""
    found = files(TEMPLATES).iterdir()
    return sorted(one.name.removesuffix(".toml") for one in found if one.name.endswith(".toml"))


def template_of(name: str) -> Template:
    """The template of this name. Raises `NotFoundError` that lists all."""
    if name not in template_names():
        raise NotFoundError(f"no template {name!r}; there are: {', '.join(template_names())}")
    return read(name, (files(TEMPLATES) / f"{name}.toml").read_text(encoding="utf-8"))


def templates(*, as_json: bool) -> int:
    """Every template with its sentence."""
    found = [template_of(name) for name in template_names()]
    if as_json:
        emit({"templates": [{"name": one.name, "about": one.about} for one in found]})
        return 0
    show((one.name, one.about) for one in found)
    say("begin with `twotier job add NAME`; it asks for what it needs")
    return 0


def added(config: Path, wanted: Wanted) -> int:
    """Ask, check, try, tell, write, go live. Exit code 1 where it could not be tried."""
    loaded = load(config)
    template = template_of(wanted.template)
    there = set_already(loaded)
    answers = dict(wanted.answers)
    if sys.stdin.isatty() and not wanted.as_json:
        answers |= asked(template, answers, there=there)
    if wrong := checked(template, answers, set_already=there):
        raise UsageError("\n  ".join([how(template), *wrong]))
    draft = drafted(loaded, template, answers=answers, name=wanted.name or template.name)
    failed = "" if wanted.untested else tried(draft)
    told = {"name": draft.name, "file": str(draft.path), "could_not_look": failed}
    costs = [{"tier": one.tier, "said": said} for one, said in draft.costs()]
    if not wanted.as_json:
        tell(draft, failed, quiet=wanted.untested)
    if failed or wanted.dry:
        emit({**told, "costs": costs, "written": False}) if wanted.as_json else None
        return 1 if failed else 0
    written(draft)
    waits = live(config)
    if wanted.as_json:
        emit({**told, "costs": costs, "written": True, "live": not waits, "because": waits})
    else:
        say(f"written: {draft.path}; edit it as you like")
        say(f"not live yet: {waits}" if waits else lives(draft))
    return 0


def lives(draft: Draft) -> str:
    """What the owner can do now. The worker has the environment that twotier was started with."""
    if named := [place for place in places(draft.job) if place.startswith("env:")]:
        return f"it is live, and has {', '.join(named)} from the next `twotier up` on"
    return f"it is live; `twotier job run {draft.name}` runs it now"


def how(template: Template) -> str:
    """How answers are given where nobody can be asked."""
    return f"{template.name}: in a terminal it asks; else give each answer with --set KEY=VALUE:"


def asked(template: Template, given: Mapping[str, str], *, there: set[str]) -> dict[str, str]:
    """The answers a person types, each asked until it fits."""
    answers: dict[str, str] = {}
    say(template.about)
    for ask in template.asks:
        if ask.key in given or (ask.setting and ask.setting in there):
            continue
        hint = f" [{ask.default}]" if ask.default else " [none]" if ask.optional else ""
        while True:
            say(f"{ask.text}{hint}")
            answer = (sys.stdin.readline().strip() or ask.default).strip()
            if not (problem := ask.problem(answer)):
                break
            say(f"  {problem}")
        if answer:
            answers[ask.key] = answer
    return answers


def tell(draft: Draft, failed: str, *, quiet: bool) -> None:
    """The job as it will be, whether it could look, and what a run costs on each tier."""
    print(draft.text)
    if failed:
        say(f"could not look: {failed}")
        say("nothing was written; mend it and add the job again, or use --untested")
    elif draft.job.watch is not None and not quiet:
        say("it could look")
    show((one.tier, said) for one, said in draft.costs())
