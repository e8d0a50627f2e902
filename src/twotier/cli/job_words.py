"""The commands about jobs, with their words and their help. What they do lies in `job*` files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Flag = Annotated[bool, Parameter(negative="")]

job = App(name="job", help="Scheduled work: list it, look at it, run it now, pause it.")


@job.command(name="list")
def list_(*, as_json: Json = False, config: Config) -> int:
    """Every job: its trigger, its next slot, how it went last."""
    from twotier.cli.job import listed

    return listed(config, as_json=as_json)


@job.command(name="show")
def show(name: str, /, *, as_json: Json = False, config: Config) -> int:
    """One job in full: what is set, its next five slots, its latest runs."""
    from twotier.cli.job import shown

    return shown(config, name, as_json=as_json)


@job.command(name="run")
def run(name: str, /, *, dry: Flag = False, as_json: Json = False, config: Config) -> int:
    """Run a job now and wait for its end; exit code 1 if it failed.

    Parameters
    ----------
    name
        The job.
    dry
        Only show what would be asked, of which tier and why, and what it would cost at most. The
        watcher looks, and nothing of it is stored; no model is asked.
    """
    if dry:
        from twotier.cli.job_dry import dry_run

        return dry_run(config, name, as_json=as_json)
    from twotier.cli.job import ran

    return ran(config, name, as_json=as_json)


@job.command(name="pause")
def pause(name: str, /, *, as_json: Json = False, config: Config) -> int:
    """Let a job's slots pass until it is resumed: none is run, and none counts as missed."""
    from twotier.cli.job_orders import paused

    return paused(config, name, as_json=as_json)


@job.command(name="resume")
def resume(name: str, /, *, as_json: Json = False, config: Config) -> int:
    """Let a paused job's slots count again, from now on."""
    from twotier.cli.job_orders import resumed

    return resumed(config, name, as_json=as_json)


@job.command(name="reload")
def reload(*, as_json: Json = False, config: Config) -> int:
    """Take the jobs as the configuration has them now; runs that have begun go on as they were."""
    from twotier.cli.job_orders import reloaded

    return reloaded(config, as_json=as_json)


@job.command(name="cancel")
def cancel(run: str, /, *, as_json: Json = False, config: Config) -> int:
    """End a run that is on its way. What it had not finished is left for the next one.

    Parameters
    ----------
    run
        Its id, from `twotier runs`.
    """
    from twotier.cli.job_orders import ordered

    return ordered(config, run, verb="cancel", as_json=as_json)


@job.command(name="resume-run")
def resume_run(run: str, /, *, as_json: Json = False, config: Config) -> int:
    """Go on with a run that was interrupted, from its last finished step.

    Parameters
    ----------
    run
        Its id, from `twotier runs`.
    """
    from twotier.cli.job_orders import ordered

    return ordered(config, run, verb="resume", as_json=as_json)


@job.command(name="fork")
def fork(run: str, /, *, step: int = 1, as_json: Json = False, config: Config) -> int:
    """A new run that keeps the steps of an old one up to a number, and does the rest again.

    Parameters
    ----------
    run
        The old run's id, from `twotier runs`.
    step
        The first step that is done again, as `twotier runs ID` numbers them. The first of all,
        which says what the run works on, is always taken over.
    """
    from twotier.cli.job_orders import ordered

    return ordered(config, run, verb="fork", step=step, as_json=as_json)
