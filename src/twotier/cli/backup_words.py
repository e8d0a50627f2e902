"""The words of `twotier backup` and `twotier restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", help="One JSON document on stdout.")]
Yes = Annotated[bool, Parameter(name="--yes", help="Do not ask.")]


def backup(target: Path | None = None, /, *, as_json: Json = False, config: Config) -> int:
    """Everything that cannot be made again in one file, while twotier runs or not.

    Ledger, runs, items, conversations, client keys, configuration and jobs. Not in it: models,
    logs, and keys of providers that lie elsewhere.

    Parameters
    ----------
    target
        A folder, where it gets a name with its time, or a new file; default: this folder.
    """
    from twotier.cli.backup import backup, target_of

    return backup(config, target_of(target), as_json=as_json)


def restore(
    archive: Path,
    /,
    *,
    keep_ledger: bool = False,
    yes: Yes = False,
    as_json: Json = False,
    config: Config,
) -> int:
    """Put a backup back, with twotier stopped; what is there is kept aside.

    A configuration or a job file that is there already stays as it is.

    Parameters
    ----------
    archive
        The file that `twotier backup` made.
    keep_ledger
        The ledger here is sound: keep it, and restore the rest.
    """
    from twotier.cli.backup import Wish, restore

    wish = Wish(archive.expanduser().absolute(), keep_ledger=keep_ledger, yes=yes)
    return restore(config, wish, as_json=as_json)
