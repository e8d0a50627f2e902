"""The commands about rules, with their words and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

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


rules = App(name="rules", help="The rules by which a tier is chosen.")


@rules.command
def tune(*, since: str = "90d", as_json: Json = False, config: Config) -> int:
    """Thresholds that the record speaks for, checked on a part that had no say; changes nothing.

    Parameters
    ----------
    since
        How far back, as 90d.
    """
    from twotier.cli.tune import tune

    return tune(config, since=since, as_json=as_json)
