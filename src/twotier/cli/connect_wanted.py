"""The options of `twotier connect`: what is to be done with a client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to do with a client.

    Parameters
    ----------
    write
        Write the settings; what stood there before is kept.
    test
        Ask once through the gateway as this client does, on the local tier unless --model says.
    undo
        Bring back what stood there before, and end the client's key.
    everything
        All it does goes through the gateway; otherwise it only knows us beside its own models.
    model
        The name it begins with: a tier, an alias or auto.
    show_key
        Print the settings with the client's key in them.
    yes
        Do not ask.
    """

    write: bool = False
    test: bool = False
    undo: bool = False
    everything: Annotated[bool, Parameter(name="--all")] = False
    model: str = ""
    show_key: bool = False
    yes: bool = False
