"""The commands about runs, with their words and their help. What they do lies in `runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from twotier.cli.runs_wanted import Wanted as RunsWanted

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Wanted = Annotated[RunsWanted | None, Parameter(name="*")]

runs = App(name="runs", help="What the jobs did.")


@runs.default
def show(run: str = "", /, *, wanted: Wanted = None, as_json: Json = False, config: Config) -> int:
    """The latest runs of jobs, or one run in full.

    Slots of a job that say the same one after the other (nothing new, skipped, missed) are one
    line.

    Parameters
    ----------
    run
        The id of one run.
    """
    from twotier.cli.runs import latest, one

    if run:
        return one(config, run, as_json=as_json)
    return latest(config, wanted or RunsWanted(), as_json=as_json)
