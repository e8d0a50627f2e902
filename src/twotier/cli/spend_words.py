"""The commands of `twotier spend`, with their words and their help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from twotier.errors import UsageError

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Csv = Annotated[bool, Parameter(name="--csv", negative="", help="As CSV on stdout.")]
Flag = Annotated[bool, Parameter(negative="")]
Today = Annotated[bool, Parameter(name=("--today", "--day"), negative="")]
By = Literal["tier", "model", "job", "key", "client", "rule", "day", "month"]

spend = App(name="spend", help="What was spent, today if nothing else is said.")


@dataclass(frozen=True, slots=True)
class AllSpan:
    """Which span is asked for.

    Parameters
    ----------
    today
        Since midnight.
    days
        The last days, today included.
    month
        Since the first of the month.
    since
        Since this day (YYYY-MM-DD, here) or instant.
    until
        Up to the end of this day, or up to this instant; default: now.
    """

    today: Today = False
    days: int | None = None
    month: Flag = False
    since: str = ""
    until: str = ""


SpanWords = Annotated[AllSpan | None, Parameter(name="*")]


@spend.default
def shown(
    *,
    by: By = "tier",
    words: SpanWords = None,
    as_csv: Csv = False,
    as_json: Json = False,
    config: Config,
) -> int:
    """What was spent, today if nothing else is said.

    Parameters
    ----------
    by
        What the sums are over; a client is a key.
    """
    from twotier.cli.spend import Span, spend

    said = words or AllSpan()
    if sum((said.today, said.days is not None, said.month, bool(said.since))) > 1:
        raise UsageError("--today, --days, --month and --since exclude one another; name one")
    span = Span(1 if said.days is None else said.days, said.month, said.since, said.until)
    return spend(config, by=by, span=span, as_csv=as_csv, as_json=as_json)


@spend.command
def export(
    *,
    csv: Path | None = None,
    parquet: Path | None = None,
    since: str = "",
    until: str = "",
    as_json: Json = False,
    config: Config,
) -> int:
    """Every attempt as a row of a file; runs beside main and without it.

    Parameters
    ----------
    csv
        The file to write, as CSV.
    parquet
        The file to write, as Parquet; needs `pip install 'twotier[parquet]'`.
    since
        Since this day (YYYY-MM-DD, here) or instant; default: all that is kept.
    until
        Up to the end of this day, or up to this instant; default: now.
    """
    from twotier.cli.spend import Span, exported

    if (csv is None) == (parquet is None):
        raise UsageError("name one file: --csv FILE or --parquet FILE")
    span = Span(1, False, since or "1970-01-02", until)
    return exported(config, csv=csv, parquet=parquet, span=span, as_json=as_json)


@spend.command
def confirm(*, as_json: Json = False, config: Config) -> int:
    """You have looked at a ledger that was not whole: limits count again what it knows."""
    from twotier.cli.spend import confirmed

    return confirmed(config, as_json=as_json)


@spend.command
def check(*, above: str, item: Flag = False, config: Config) -> int:
    """Say what was spent today if it is more than this; nothing otherwise. For scripts and jobs.

    Parameters
    ----------
    above
        Dollars, such as 15; what did not come through twotier counts where it is known.
    item
        As one JSON line for a job's `watch = { kind = "command", json_lines = true }`: one a day.
    """
    from twotier.cli.spend_check import checked

    return checked(config, above=above, as_item=item)
