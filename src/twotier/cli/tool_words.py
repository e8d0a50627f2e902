"""The commands about tools, with their words and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]

tools = App(name="tools", help="The tools that the models of your jobs may use.")


@tools.command(name="list")
def list_(*, as_json: Json = False, config: Config) -> int:
    """Every tool with what it brings along (its labels), and the jobs that have it."""
    from twotier.cli.tools import listed

    return listed(config, as_json=as_json)


@tools.command(name="test")
def tried(
    name: str,
    arguments: str = "",
    /,
    *,
    job: str = "",
    as_json: Json = False,
    config: Config,
) -> int:
    """Call a tool once, here, as a job would; one that changes something is not called.

    Parameters
    ----------
    name
        The tool as a job names it: fetch, search, send:NAME, api:NAME, command:NAME.
    arguments
        What it is given, as JSON such as '{"url": "https://example.org"}'.
    job
        The job whose folder and hosts it has; default: the first that names it.
    """
    from twotier.cli.tools import tested

    return tested(config, name, arguments=arguments, job=job, as_json=as_json)
