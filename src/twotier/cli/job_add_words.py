"""The words of `twotier job add` and `job templates`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from twotier.cli.job_words import job
from twotier.errors import UsageError

__all__ = ["job"]

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Flag = Annotated[bool, Parameter(negative="")]
Answers = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        negative="",
        consume_multiple=False,
        help="KEY=VALUE, as often as there are answers; in a terminal it asks for what is missing.",
    ),
]


def register(group: App) -> None:
    """Both, on `twotier job`."""
    group.command(add)
    group.command(templates)


def templates(*, as_json: Json = False, config: Config) -> int:
    """The jobs that are ready but for a few answers."""
    from twotier.cli.job_add import templates as listed

    del config
    return listed(as_json=as_json)


@dataclass(frozen=True, slots=True)
class AddWords:
    """How the job comes about.

    Parameters
    ----------
    name
        The job's name, if not the template's.
    dry
        Show and try it, write nothing.
    untested
        Do not look first: what it watches is not there yet.
    """

    name: str = ""
    answers: Answers = ()
    dry: Flag = False
    untested: Flag = False


Words = Annotated[AddWords | None, Parameter(name="*")]


def add(
    template: str = "", /, *, words: Words = None, as_json: Json = False, config: Config
) -> int:
    """A job from a template: it asks, looks once, tells what a run costs on each tier, goes live.

    Parameters
    ----------
    template
        Which one; without it all are listed.
    """
    from twotier.cli.job_add import Wanted, added
    from twotier.cli.job_add import templates as listed

    if not template:
        return listed(as_json=as_json)
    said = words or AddWords()
    pairs = [one.partition("=") for one in said.answers]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        raise UsageError(f"--set {wrong[0]!r}: write KEY=VALUE")
    wanted = Wanted(
        template,
        name=said.name,
        answers={key.strip(): value for key, _, value in pairs},
        untested=said.untested,
        dry=said.dry,
        as_json=as_json,
    )
    return added(config, wanted)


register(job)
