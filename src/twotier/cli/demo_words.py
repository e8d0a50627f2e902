"""The command that plays a day, with its words and its help."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

Json = Annotated[bool, Parameter(name="--json", negative="", help="One JSON document on stdout.")]


def demo(*, keep: bool = False, stay: bool = False, as_json: Json = False) -> int:
    """Play one simulated day offline: real processes, scripted models, nothing left behind.

    Parameters
    ----------
    keep
        Leave its folder there, and say where it is.
    stay
        Stay up afterwards, with the pages of the day, until Ctrl-C.
    """
    from twotier.cli.demo import Ending, played

    return played(Ending(keep=keep, stay=stay), as_json=as_json)
