"""`twotier runs`: what the jobs did."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twotier.cli.output import dollars, emit, local_time, show
from twotier.cli.peers import worker_of

HEADS = ("RUN", "JOB", "SLOT", "STATE", "ITEMS", "CALLS", "TOKENS", "COST", "TIER", "BECAUSE")
FIELDS_SHOWN = (
    *("id", "job", "slot", "state", "trigger", "started_at", "ended_at", "items", "model_calls"),
    *("tokens", "cost_usd", "tier", "model", "because", "result"),
)


def latest(config: Path, *, job: str, limit: int, as_json: bool) -> int:
    """The latest runs, newest first."""
    told = worker_of(config).get("/runs", {"job": job, "limit": limit})
    if as_json:
        emit(told)
    elif told["runs"]:
        show([HEADS, *(row(run) for run in told["runs"])])
    else:
        print("no runs yet")
    return 0


def one(config: Path, run_id: str, *, as_json: bool) -> int:
    """One run in full."""
    told = worker_of(config).get(f"/runs/{quote(run_id, safe='')}")
    if as_json:
        emit(told)
    else:
        show_run(run_of(told))
    return 0


def run_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """The run inside an answer about one run."""
    inner = told.get("run")
    return dict(inner) if isinstance(inner, Mapping) else dict(told)


def row(run: Mapping[str, Any]) -> tuple[object, ...]:
    """A run as one line."""
    return (
        run["id"],
        run["job"],
        local_time(run["slot"]),
        run["state"],
        run["items"],
        run["model_calls"],
        run["tokens"],
        dollars(run["cost_usd"]),
        run["tier"] or "-",
        run["because"] or "",
    )


def show_run(run: Mapping[str, Any]) -> None:
    """A run as lines of name and value, empty ones left out."""
    show((field, run[field]) for field in FIELDS_SHOWN if run.get(field) not in ("", None))
