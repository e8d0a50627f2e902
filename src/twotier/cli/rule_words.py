"""The commands about rules, with their words and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]


def replay(
    *, since: str = "7d", rules: Path | None = None, as_json: Json = False, config: Config
) -> int:
    """Decide again what was decided, under other rules; asks no model, changes nothing.

    Parameters
    ----------
    since
        How far back, as 7d or 12h.
    rules
        A file with [routing] and [[rules]]; without it the rules in force.
    """
    from twotier.cli.replay import replay

    return replay(config, since=since, rules=rules, as_json=as_json)
