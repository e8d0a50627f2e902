"""The options of `twotier runs`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs.

    Parameters
    ----------
    job
        Only runs of this job.
    failed
        Only runs that failed or were given up.
    each
        Each slot has a line of its own.
    limit
        How many lines.
    """

    job: str = ""
    failed: Annotated[bool, Parameter(negative="")] = False
    each: Annotated[bool, Parameter(name="--all", negative="")] = False
    limit: int = 20
