"""The words of `twotier init`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from twotier.errors import UsageError

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Modes = Literal["both", "local", "frontier", "none"]


@dataclass(frozen=True, slots=True)
class InitWords:
    """What is wanted, where it is not what was found.

    Parameters
    ----------
    mode
        Which tiers: both, local, frontier, or none; default: what was found is enough for.
    local
        The local model: http://127.0.0.1:PORT (and #MODEL), ENGINE:MODEL, or starter.
    frontier_key
        Where the frontier's key lies, never the key: env:NAME, file:PATH or keyring:SERVICE.
    job
        A template of `twotier job templates`, added as the first job.
    answers
        KEY=VALUE for that job, as often as there are answers.
    yes
        Do not ask; take what was found.
    """

    mode: Modes | None = None
    local: str = ""
    frontier_key: str = ""
    job: str = ""
    answers: Annotated[
        tuple[str, ...], Parameter(name="--set", negative="", consume_multiple=False)
    ] = ()
    yes: Annotated[bool, Parameter(negative="")] = False


Words = Annotated[InitWords | None, Parameter(name="*")]


def init(*, words: Words = None, as_json: Json = False, config: Config) -> int:
    """Look around on this machine and write a configuration; never changes one that is there."""
    from twotier.cli.help_page import GROUPED
    from twotier.cli.init import init
    from twotier.cli.init_choice import Wanted, place_of_key
    from twotier.cli.init_local import local_of
    from twotier.config.starter import Mode

    said = words or InitWords()
    pairs = [one.partition("=") for one in said.answers]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        raise UsageError(f"--set {wrong[0]!r}: write KEY=VALUE")
    wanted = Wanted(
        mode=Mode(said.mode) if said.mode else None,
        local=local_of(said.local) if said.local else None,
        frontier_key=place_of_key(said.frontier_key),
        job=said.job,
        answers={key.strip(): value for key, _, value in pairs},
        yes=said.yes,
        as_json=as_json,
    )
    return init(config, wanted, commands=GROUPED)
