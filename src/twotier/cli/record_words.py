"""The commands about records, with their words and their help. What they do lies in `record`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Yes = Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")]

record = App(
    name="record", help="What came of each job's work on each tier, as the router knows it."
)


@record.default
def show(key: str = "", /, *, as_json: Json = False, config: Config) -> int:
    """Every record: what was verified on each tier, what it took, what the rule says of it now.

    Parameters
    ----------
    key
        A job, or the name of a prompt as it is listed; then all of its judgements too.
    """
    from twotier.cli.record import shown

    return shown(config, key, as_json=as_json)


@record.command(name="forget")
def forget(key: str, /, *, yes: Yes = False, as_json: Json = False, config: Config) -> int:
    """Forget what is known of a job's work: it begins anew, as one that never ran.

    Parameters
    ----------
    key
        A job, or the name of a prompt as it is listed.
    """
    from twotier.cli.record import forgotten

    return forgotten(config, key, yes=yes, as_json=as_json)


def mark(
    run: str, verdict: Literal["good", "bad"], /, *, as_json: Json = False, config: Config
) -> int:
    """Say yourself how good a run's answers were. It counts more than any check.

    Parameters
    ----------
    run
        Its id, from `twotier runs`.
    verdict
        good or bad.
    """
    from twotier.cli.record import marked

    return marked(config, run, good=verdict == "good", as_json=as_json)
