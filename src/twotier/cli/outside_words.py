"""Two more commands of `twotier spend`, with their words and their help: the provider's bill."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from twotier.cli.spend_words import spend
from twotier.errors import UsageError

__all__ = ["spend"]

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Flag = Annotated[bool, Parameter(negative="")]


def register(group: App) -> None:
    """Both, on `twotier spend`."""
    group.command(import_bill, name="import")
    group.command(reconcile)


def import_bill(file: Path, /, *, as_json: Json = False, config: Config) -> int:
    """Take in what the provider says it charged or counted; days it tells of are replaced.

    Parameters
    ----------
    file
        An export of usage or cost of Anthropic's console (CSV), or what its Admin API answered.
    """
    from twotier.cli.outside import imported

    return imported(config, file, as_json=as_json)


def reconcile(
    *, day: str = "", month: Flag = False, of: str = "", as_json: Json = False, config: Config
) -> int:
    """Ours against the provider's, by day and model; exit code 0 if they agree within a cent a day.

    Parameters
    ----------
    day
        A day of UTC, as YYYY-MM-DD; default: today.
    month
        This month, up to today.
    of
        With --month: another one, as YYYY-MM.
    """
    from twotier.cli.outside import reconciled

    if day and (month or of):
        raise UsageError("--day and --month exclude one another; name one")
    return reconciled(config, day=day, month=month, of=of, as_json=as_json)


register(spend)
