"""The words of `twotier import`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from twotier.errors import UsageError

Config = Annotated[Path, Parameter(parse=False)]
Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]
Flag = Annotated[bool, Parameter(negative="")]

import_ = App(name="import", help="Take along what another program was told.")


@dataclass(frozen=True, slots=True)
class ImportWords:
    """What is done.

    Parameters
    ----------
    write
        Write it; without this it is only said what would be written. `--yes` is the same.
    watchers
        Jobs that poll get their watcher where all it needs is known, in place of a proposal.
    anew
        Write jobs again whose files you took away.
    handover
        Switch off each job of OpenClaw's whose twin has had one good run since.
    undo
        Switch those on again.
    """

    write: Annotated[bool, Parameter(name=("--write", "--yes"), negative="")] = False
    watchers: Flag = False
    anew: Flag = False
    handover: Flag = False
    undo: Flag = False


Words = Annotated[ImportWords | None, Parameter(name="*")]


@import_.command
def openclaw(
    path: Path | None = None, /, *, words: Words = None, as_json: Json = False, config: Config
) -> int:
    """Models, names and jobs of OpenClaw's, as tiers, aliases and jobs here. A dry run at first.

    Parameters
    ----------
    path
        Its folder, its openclaw.json or a jobs.json; default: where it usually lies.
    """
    said = words or ImportWords()
    if said.handover and said.undo:
        raise UsageError("--handover and --undo exclude one another; name one")
    if said.handover or said.undo:
        from twotier.cli.handover import handed_over, undone

        if said.write or said.watchers or said.anew:
            raise UsageError("--handover and --undo go with no other option; import first")
        act = handed_over if said.handover else undone
        return act(config, path, as_json=as_json)
    from twotier.cli.import_openclaw import Wanted, imported

    wanted = Wanted(path, write=said.write, watchers=said.watchers, anew=said.anew)
    return imported(config, wanted, as_json=as_json)
