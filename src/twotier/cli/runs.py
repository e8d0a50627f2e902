"""`twotier runs`: what the jobs did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twotier.cli.output import dollars, emit, local_time, show, terminal_columns
from twotier.cli.peers import worker_of
from twotier.cli.runs_wanted import Wanted
from twotier.errors import NotFoundError, UsageError

HEADS = ("RUN", "JOB", "SLOT", "STATE", "ITEMS", "CALLS", "TOKENS", "COST", "TIER", "BECAUSE")
STEP_HEADS = ("STEP", "NAME", "SECONDS", "TIER", "TOKENS", "COST")
CALL_HEADS = ("AT", "TOOL", "VERDICT", "RULE", "LABELS", "COST", "BECAUSE")
MICROUSD = 1_000_000
NARROW = 110
FAILED = "failed,interrupted"
LIMIT_MAX = 1_000  # the worker's own limit
FIELDS_SHOWN = (
    *("id", "job", "slot", "state", "trigger", "started_at", "ended_at", "items", "model_calls"),
    *("tokens", "cost_usd", "tools_usd", "tier", "model", "because", "result"),
)


def latest(config: Path, wanted: Wanted, *, as_json: bool) -> int:
    """The latest runs, newest first; as JSON each has its own."""
    limit, failed = wanted.limit, wanted.failed
    if not 1 <= limit <= LIMIT_MAX:
        raise UsageError(f"--limit {limit}: a number between 1 and {LIMIT_MAX}")
    asked: dict[str, Any] = {"job": wanted.job, "state": FAILED if failed else "", "limit": limit}
    if not wanted.each and not as_json:
        asked["fold"] = 1
    told = worker_of(config).get("/runs", asked)
    if as_json:
        emit(told)
    elif told["runs"]:
        show_runs(told["runs"])
    else:
        print("none failed" if failed else "no runs yet")
    return 0


def one(config: Path, run_id: str, *, as_json: bool) -> int:
    """One run in full."""
    if "/" in run_id:
        raise NotFoundError(f"there is no run {run_id!r}; `twotier runs` lists them")
    worker, path = worker_of(config), f"/runs/{quote(run_id, safe='')}"
    told = worker.get(path)
    told["steps"] = worker.get(f"{path}/steps")["steps"]
    told["calls"] = worker.get(f"{path}/calls")["calls"]
    paid = sum(call["cost_microusd"] for call in told["calls"]) / MICROUSD
    told["tools_usd"] = f"{paid:.6f}" if paid else ""  # beside the models'
    if as_json:
        emit(told)
    else:
        show_run(told)
        show_steps(told["steps"])
        show_calls(told["calls"])
        show_answers(told["answers"])
    return 0


def show_runs(runs: Sequence[Mapping[str, Any]]) -> None:
    """Runs as a table; a narrow one leaves out what a run's id says already."""
    table: list[tuple[object, ...]] = [HEADS, *(row(run) for run in runs)]
    if (terminal_columns() or NARROW) < NARROW:
        table = [(line[0], *line[3:]) for line in table]
    show(table)


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
        because(run),
    )


def because(run: Mapping[str, Any]) -> str:
    """Why, and of how many slots the line tells."""
    why = run["because"] or ""
    slots = run.get("slots", 1)
    return why if slots == 1 else f"{slots} slots since {local_time(run['since'])}: {why}"


def show_run(run: Mapping[str, Any]) -> None:
    """A run as lines of name and value, empty ones left out."""
    show((field, run[field]) for field in FIELDS_SHOWN if run.get(field) not in ("", None))


def show_steps(steps: Sequence[Mapping[str, Any]]) -> None:
    """What the run has done so far, one step after the other; none for one that only looked."""
    if steps:
        print()
        show([STEP_HEADS, *(step_row(step) for step in steps)])


def step_row(step: Mapping[str, Any]) -> tuple[object, ...]:
    """A step as one line; only a model call has a tier."""
    seconds = step["seconds"]
    cost = step.get("cost_microusd", 0) / MICROUSD
    return (
        step["number"],
        step["name"],
        "-" if seconds is None else f"{seconds:.2f}",
        step.get("tier") or "-",
        step.get("tokens", "-"),
        f"${cost:.4f}" if cost else "-",
    )


def show_calls(calls: Sequence[Mapping[str, Any]]) -> None:
    """Every call of a tool that its agent wanted: what was decided, why, and what came of it."""
    if calls:
        print()
        show([CALL_HEADS, *(call_row(call) for call in calls)])


def call_row(call: Mapping[str, Any]) -> tuple[object, ...]:
    """A line of the audit."""
    cost = call["cost_microusd"] / MICROUSD
    return (
        local_time(call["at"]),
        call["tool"] or call["event"],
        call["verdict"] if call["event"] == "judged" else call["event"],
        call["rule"],
        call["labels"] or "-",
        f"${cost:.4f}" if cost else "-",
        call["because"],
    )


def show_answers(answers: Sequence[Mapping[str, Any]]) -> None:
    """What the run said, and where it went or why it did not."""
    for answer in answers:
        where = answer["path"] or answer["target"]
        error = f": {answer['error']}" if answer["error"] else ""
        print(f"\n{answer['title']} -> {where} ({answer['delivery']}{error})\n{answer['text']}")
