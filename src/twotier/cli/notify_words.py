"""The commands of `twotier notify`, with their words and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Least = Literal["info", "warning", "urgent"]

notify = App(name="notify", help="The channels on which you hear of what goes wrong.")


@notify.command
def add(
    name: str, to: str, /, *, least: Least = "info", as_json: Json = False, config: Config
) -> int:
    """Write a channel into the configuration; a twotier that runs uses it at once.

    Parameters
    ----------
    name
        What to call it: a-z, 0-9, - and _.
    to
        ntfy:TOPIC, webhook:URL, mail:ADDRESS, desktop or apprise:URL. In place of a topic or URL
        also where it lies: webhook:file:slack.url keeps it out of the file and the shell's history.
    least
        The mildest it hears of.
    """
    from twotier.cli.notify import added

    return added(config, name, to=to, least=least, as_json=as_json)


@notify.command(name="list")
def list_(*, as_json: Json = False, config: Config) -> int:
    """Every channel, what it hears of and what waits for it; never its secrets."""
    from twotier.cli.notify import listed

    return listed(config, as_json=as_json)


@notify.command(name="test")
def try_out(name: str = "", /, *, as_json: Json = False, config: Config) -> int:
    """Send a real message and say what the other side answered; exit code 1 if it did not arrive.

    Parameters
    ----------
    name
        The channel; all of them if none is named.
    """
    from twotier.cli.notify import tested

    return tested(config, name, as_json=as_json)


@notify.command
def remove(name: str, /, *, as_json: Json = False, config: Config) -> int:
    """Take a channel out of the configuration; what still waits for it is dropped.

    Parameters
    ----------
    name
        The channel.
    """
    from twotier.cli.notify import removed

    return removed(config, name, as_json=as_json)
