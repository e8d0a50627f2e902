"""The options of `twotier job shadow`, `job test` and `models try`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

Flag = Parameter(negative="")
Tier = Literal["local", "frontier"]
Judge = Literal["frontier", "local", "none"]


@dataclass(frozen=True, slots=True)
class Shadow:
    """How a shadow is done.

    Parameters
    ----------
    runs
        So many of its next runs.
    last
        So many of its last runs in place of the next ones.
    tier
        The tier to try; default: the one the job does not use.
    judge
        Who says which answer serves better; default: [trials] judge.
    limit_usd
        Most it may cost; default: [trials] limit_usd.
    now
        Do not wait for the hours of trials.
    yes
        Do not ask.
    """

    runs: int = 10
    last: int = 0
    tier: Tier | None = None
    judge: Judge | None = None
    limit_usd: float | None = None
    now: Annotated[bool, Flag] = False
    yes: Annotated[bool, Flag] = False


@dataclass(frozen=True, slots=True)
class Tested:
    """How a prompt is tried.

    Parameters
    ----------
    last
        So many of its last runs.
    prompt
        A file with another prompt; default: the job's own.
    edit
        Edit the job's prompt for this.
    judge
        Have it said which answer serves better.
    limit_usd
        Most it may cost; default: [trials] limit_usd.
    yes
        Do not ask.
    """

    last: int = 5
    prompt: Path | None = None
    edit: Annotated[bool, Flag] = False
    judge: Judge | None = None
    limit_usd: float | None = None
    yes: Annotated[bool, Flag] = False


@dataclass(frozen=True, slots=True)
class Tried:
    """How a model is tried.

    Parameters
    ----------
    jobs
        The jobs whose work it does, by commas.
    last
        So many of the last runs of each.
    judge
        Who says which answer serves better; default: [trials] judge.
    limit_usd
        Most it may cost for each job; default: [trials] limit_usd.
    now
        Do not wait for the hours of trials.
    yes
        Do not ask.
    """

    jobs: Annotated[str, Parameter(name="--for")] = ""
    last: int = 10
    judge: Judge | None = None
    limit_usd: float | None = None
    now: Annotated[bool, Flag] = False
    yes: Annotated[bool, Flag] = False
