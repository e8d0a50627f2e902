"""`twotier job add TEMPLATE`: asks for what the job needs, tries it, tells its price, goes live.

The job becomes a file of its own below `jobs/`, which the owner edits from then on. Nothing is
written before everything is answered, the whole configuration is right with it, and what it watches
could be looked at.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twotier.build.job_cost import Load, costs
from twotier.cli.job_draft import live, said, tried
from twotier.cli.output import emit, say, show
from twotier.config.job_draft import Draft, drafted, set_already, written
from twotier.config.job_templates import template_names, template_of
from twotier.config.load import load
from twotier.config.secrets import places
from twotier.config.template import Template, checked
from twotier.errors import UsageError


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
    code, told = made(config, wanted)
    if wanted.as_json:
        emit(told)
    else:
        tell_end(told)
    return code


def made(config: Path, wanted: Wanted) -> tuple[int, dict[str, Any]]:
    """The same, with its end as a document for scripts in place of being told."""
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
    priced = [(one.tier, said(one)) for one in costs(draft.loaded, Load.of(template))]
    if not wanted.as_json:
        tell(draft, failed, quiet=wanted.untested)
        show(priced)
    told: dict[str, Any] = {
        "name": draft.name,
        "file": str(draft.path),
        "could_not_look": failed,
        "costs": [{"tier": tier, "said": words} for tier, words in priced],
    }
    if failed or wanted.dry:
        return (1 if failed else 0), {**told, "written": False}
    written(draft)
    waits = live(config)
    told |= {"written": True, "live": not waits, "because": waits, "next": lives(draft)}
    return 0, told


def tell_end(told: Mapping[str, Any]) -> None:
    """Whether it was written, and whether it is live."""
    if told["written"]:
        say(f"written: {told['file']}; edit it as you like")
        say(told["next"] if told["live"] else f"not live yet: {told['because']}")


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
    """The job as it will be, and whether it could look."""
    print(draft.text)
    if failed:
        say(f"could not look: {failed}")
        say("nothing was written; mend it and add the job again, or use --untested")
    elif draft.job.watch is not None and not quiet:
        say("it could look")
