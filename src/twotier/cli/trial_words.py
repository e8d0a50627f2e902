"""Commands about how well a job goes and what is kept of it, with their words and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from twotier.cli.trial_terms import Shadow, Tested, Tried

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Yes = Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")]


def shadow(
    name: str,
    /,
    *,
    wanted: Annotated[Shadow | None, Parameter(name="*")] = None,
    as_json: Json = False,
    config: Config,
) -> int:
    """Do a job's next runs on its other tier too, without effects, and compare.

    Parameters
    ----------
    name
        The job.
    """
    from twotier.cli.job_trial import SHADOW, Order, shadowed

    terms = wanted or Shadow()
    order = Order(
        SHADOW,
        terms.last or terms.runs,
        side=terms.tier or "",
        judge=terms.judge or "",
        limit_usd=terms.limit_usd,
        stored=bool(terms.last),
        now=terms.now,
        yes=terms.yes,
    )
    return shadowed(config, name, order=order, as_json=as_json)


def again(
    name: str,
    /,
    *,
    wanted: Annotated[Tested | None, Parameter(name="*")] = None,
    as_json: Json = False,
    config: Config,
) -> int:
    """Try a prompt on what a job worked on last, without effects; exit code 1 if a check failed.

    Parameters
    ----------
    name
        The job.
    """
    from twotier.cli.job_trial import TEST, Order, prompt_of, tested

    terms = wanted or Tested()
    order = Order(
        TEST,
        terms.last,
        prompt=prompt_of(config, name, file=terms.prompt, edit=terms.edit),
        judge=terms.judge or "",
        limit_usd=terms.limit_usd,
        yes=terms.yes,
    )
    return tested(config, name, order=order, as_json=as_json)


def trials(name: str = "", /, *, stop: str = "", as_json: Json = False, config: Config) -> int:
    """Every shadow, test and try, or those of a job, with what they prove.

    Parameters
    ----------
    name
        The job.
    stop
        End this trial.
    """
    from twotier.cli import job_trial

    if stop:
        return job_trial.stopped(config, stop, as_json=as_json)
    return job_trial.trials(config, name, as_json=as_json)


def suggest(*, as_json: Json = False, config: Config) -> int:
    """Jobs that pay for what they need not, or fail, with dollars a month. Nothing is changed."""
    from twotier.cli.job_trial import suggested

    return suggested(config, as_json=as_json)


def set_(name: str, /, *settings: str, as_json: Json = False, config: Config) -> int:
    """Change settings of a job in its file; comments stay. The worker takes it at once.

    Parameters
    ----------
    name
        The job.
    settings
        Such as tier=local-only, every=30m or enabled=false.
    """
    from twotier.cli.job_change import changed

    return changed(config, name, settings=settings, as_json=as_json)


def diff(name: str, revision: int = 0, /, *, as_json: Json = False, config: Config) -> int:
    """What is different in a job's settings since its last change, or since a revision.

    Parameters
    ----------
    name
        The job.
    revision
        A number; without one the settings before the last change.
    """
    from twotier.cli.job_change import diffed

    return diffed(config, name, revision=revision, as_json=as_json)


def revert(name: str, revision: int = 0, /, *, as_json: Json = False, config: Config) -> int:
    """Put a job's settings back as they were before the last change, or at a revision.

    Parameters
    ----------
    name
        The job.
    revision
        A number of `twotier job diff`.
    """
    from twotier.cli.job_change import reverted

    return reverted(config, name, revision=revision, as_json=as_json)


def try_(
    name: str,
    /,
    *,
    wanted: Annotated[Tried | None, Parameter(name="*")] = None,
    as_json: Json = False,
    config: Config,
) -> int:
    """Have another local model do what jobs worked on last, without effects, and swap back.

    Parameters
    ----------
    name
        The tier or model; it stands by, in the place of the one that runs.
    """
    from twotier.cli.models_try import tried

    return tried(config, name, terms=wanted or Tried(), as_json=as_json)


def forget(name: str, /, *, yes: Yes = False, as_json: Json = False, config: Config) -> int:
    """Delete all that is known of a job: items, runs, answers, transcripts, how far it has looked.

    What it has delivered stays where it is, and so do the ledger's rows, with the job's name. A job
    that is still in the configuration begins anew. It need not be there any more.

    Parameters
    ----------
    name
        The job.
    """
    from twotier.cli.job_forget import forgotten

    return forgotten(config, name, yes=yes, as_json=as_json)
