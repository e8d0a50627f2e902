"""The commands about watchers, with their words and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]

watch = App(name="watch", help="What your jobs look at before a model is asked.")


@watch.command(name="list")
def list_(*, as_json: Json = False, config: Config) -> int:
    """Every job with a watcher: what it looks at, how many items wait, how its last run ended."""
    from twotier.cli.watch import listed

    return listed(config, as_json=as_json)


@watch.command(name="test")
def tried(name: str, /, *, as_json: Json = False, config: Config) -> int:
    """Look once and say what would be new. Nothing is stored, and no model is asked.

    Parameters
    ----------
    name
        The job.
    """
    from twotier.cli.watch import tested

    return tested(config, name, as_json=as_json)


@watch.command
def peek(name: str, /, *, as_json: Json = False, config: Config) -> int:
    """The items that wait for the job's next run.

    Parameters
    ----------
    name
        The job.
    """
    from twotier.cli.watch import peeked

    return peeked(config, name, as_json=as_json)


@watch.command
def reset(name: str, /, *, as_json: Json = False, config: Config) -> int:
    """Make the next look a first one: a new baseline. What was found before is not found again.

    Parameters
    ----------
    name
        The job.
    """
    from twotier.cli.watch import reset

    return reset(config, name, as_json=as_json)
