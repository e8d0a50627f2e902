"""The words of `twotier approve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]

approve = App(name="approve", help="Calls of tools that wait for your yes.")


@approve.default
@approve.command(name="list")
def listed(*, as_json: Json = False, config: Config) -> int:
    """What waits, with the exact arguments; exit code 5 if anything does."""
    from twotier.cli.approve import listed

    return listed(config, as_json=as_json)


@approve.command
def yes(approval: str, /, *, as_json: Json = False, config: Config) -> int:
    """Allow this one call with exactly these arguments; its run goes on.

    Parameters
    ----------
    approval
        Its id, as the list shows it.
    """
    from twotier.cli.approve import decided

    return decided(config, approval, verdict="yes", as_json=as_json)


@approve.command
def no(approval: str, /, *, as_json: Json = False, config: Config) -> int:
    """Refuse it; its run goes on without.

    Parameters
    ----------
    approval
        Its id, as the list shows it.
    """
    from twotier.cli.approve import decided

    return decided(config, approval, verdict="no", as_json=as_json)
