"""`twotier job pause|resume|reload|cancel|resume-run|fork`: orders to the worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from twotier.cli.job import path_of
from twotier.cli.output import emit
from twotier.cli.peers import worker_of
from twotier.errors import NotFoundError

DONE = {"cancel": "is cancelled", "resume": "goes on", "fork": "is done again as"}
RELOAD_SECONDS_MAX = 60.0


def paused(config: Path, name: str, *, as_json: bool) -> int:
    """The job's slots pass."""
    worker = worker_of(config)
    told = worker.post(f"{path_of(worker, name)}/pause")
    return say(told, f"{name} is paused; `twotier job resume {name}` ends that", as_json=as_json)


def resumed(config: Path, name: str, *, as_json: bool) -> int:
    """The job's slots count again."""
    worker = worker_of(config)
    told = worker.post(f"{path_of(worker, name)}/resume")
    return say(told, f"{name} runs at its next slot; those that passed are let go", as_json=as_json)


def reloaded(config: Path, *, as_json: bool) -> int:
    """The jobs as the file has them now."""
    told = worker_of(config).post("/reload", seconds=RELOAD_SECONDS_MAX)
    return say(told, f"{told['jobs']} jobs from now on", as_json=as_json)


def ordered(config: Path, run: str, *, verb: str, as_json: bool, step: int | None = None) -> int:
    """What is to become of a run."""
    if not run or "/" in run:
        raise NotFoundError(f"there is no run {run!r}; `twotier runs` lists them")
    asked = "" if step is None else f"?step={step}"
    told = worker_of(config).post(f"/runs/{quote(run, safe='')}/{verb}{asked}")
    new = f" {told['run']}" if verb == "fork" else ""
    return say(told, f"{run} {DONE[verb]}{new}", as_json=as_json)


def say(told: dict[str, Any], sentence: str, *, as_json: bool) -> int:
    """The answer as JSON, or in a sentence."""
    if as_json:
        emit(told)
    else:
        print(sentence)
    return 0
