"""`twotier job`: scheduled work, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twotier.cli.client import Peer
from twotier.cli.output import emit, local_time, say, show
from twotier.cli.peers import worker_of
from twotier.cli.runs import show_answers, show_run, show_runs
from twotier.errors import NotFoundError

HEADS = ("JOB", "TRIGGER", "TIER", "NEXT", "LAST")
FIELDS_SHOWN = (
    *("name", "trigger", "watch", "tier", "model", "prompt", "deliver", "each", "answer_lines"),
    *("output_tokens_max", "deadline_seconds", "missed", "overlap", "enabled", "paused", "next"),
)
ON_THE_WAY = ("due", "running", "waiting-approval")
FAILED = ("failed", "interrupted")

# One question about a run waits this long at the worker; a run is bounded by its job's deadline.
POLL_SECONDS = 20.0
POLLS_MAX = 1_000


def listed(config: Path, *, as_json: bool) -> int:
    """All jobs."""
    told = worker_of(config).get("/jobs")
    if as_json:
        emit(told)
    elif told["jobs"]:
        show([HEADS, *(row(job) for job in told["jobs"])])
    else:
        print("no jobs; add [[jobs]] to the configuration, or a file jobs/NAME.toml")
    return 0


def row(job: Mapping[str, Any]) -> tuple[str, ...]:
    """A job as one line."""
    last = job["last_run"] or {}
    coming = local_time((job.get("next") or [None])[0]) if job["enabled"] else "off"
    coming = "paused" if job.get("paused") else coming
    ended = f"{last['state']} {local_time(last.get('slot'))}" if last else "never ran"
    return (job["name"], job["trigger"], job["tier"], coming or "-", ended)


def shown(config: Path, name: str, *, as_json: bool) -> int:
    """One job: what is set, the next slots, the latest runs."""
    worker = worker_of(config)
    told = worker.get(path_of(worker, name))
    if as_json:
        emit(told)
        return 0
    coming = ", ".join(local_time(at) for at in told["next"])
    watch = ", ".join(f"{key} {value}" for key, value in (told["watch"] or {}).items())
    plain = {**told, "watch": watch or "-", "next": coming or "-"}
    show((field, plain[field]) for field in FIELDS_SHOWN if field in plain)
    if told["runs"]:
        print()
        asked = {"job": name, "limit": len(told["runs"]), "fold": 1}
        show_runs(worker.get("/runs", asked)["runs"])
    return 0


def path_of(worker: Peer, name: str) -> str:
    """A job's path at the worker. A name with `/`, or none at all, would be another path."""
    if not name or "/" in name:
        known = ", ".join(job["name"] for job in worker.get("/jobs")["jobs"]) or "none"
        raise NotFoundError(f"there is no job {name!r}; there are: {known}")
    return f"/jobs/{quote(name, safe='')}"


def ran(config: Path, name: str, *, as_json: bool) -> int:
    """Start a run by hand and wait for its end."""
    worker = worker_of(config)
    run_id = str(worker.post(f"{path_of(worker, name)}/run")["run"])
    say(f"run {run_id} of {name} has begun; Ctrl-C stops waiting, not the run")
    run = ended(worker, run_id)
    if as_json:
        emit(run)
    else:
        show_run(run)
        show_answers(run["answers"])
    if run["state"] in ON_THE_WAY:
        say(f"it is still {run['state']}; look later with `twotier runs {run_id}`")
    return 1 if run["state"] in (*FAILED, *ON_THE_WAY) else 0


def ended(worker: Peer, run_id: str) -> dict[str, Any]:
    """The run once it has ended, or as it stands after the longest wait."""
    path = f"/runs/{quote(run_id, safe='')}"
    run: dict[str, Any] = {}
    for _ in range(POLLS_MAX):
        query = {"wait_seconds": int(POLL_SECONDS)}
        run = worker.get(path, query, seconds=POLL_SECONDS + 10.0)
        if run["state"] not in ON_THE_WAY:
            break
    return run
