"""The commands of `twotier budget`, with their words and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]

budget = App(name="budget", help="What may be spent, and what is left of it.")


@budget.command(name="list")
def list_(*, as_json: Json = False, config: Config) -> int:
    """Every budget: spent, reserved, where it is going, when it starts anew."""
    from twotier.cli.budgets import listed

    return listed(config, as_json=as_json)


@budget.command(name="settle-clock")
def settle_clock(*, as_json: Json = False, config: Config) -> int:
    """Say that this machine's clock ran ahead by mistake, and is right now.

    Until then what is spent counts in the latest period that was paid in, so that no step of the
    clock opens a closed day again.
    """
    from twotier.cli.budgets import clock_settled

    return clock_settled(config, as_json=as_json)
