"""`twotier import openclaw --handover` and `--undo`: who runs a job, OpenClaw or we.

An original is switched off once its twin, as it stands, has had one good run since it was written,
and never before. While OpenClaw's gateway runs only its own command may do that, because it holds
its jobs in memory; else the change is made where they lie. What was switched off is remembered
after each one, so that `--undo` knows it also after a kill.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from twotier.cli.client import Peer
from twotier.cli.job import path_of
from twotier.cli.output import emit, local_time, say, show
from twotier.cli.peers import worker_of
from twotier.clock import SystemClock
from twotier.config.openclaw.disk import Place, read
from twotier.config.openclaw.originals import in_database, in_file
from twotier.config.openclaw.records import original
from twotier.config.openclaw.remembered import Job, Memory, remember, remembered
from twotier.config.paths import paths_of
from twotier.errors import ConfigError, TwotierError, UsageError

PROGRAM = "openclaw"
CONNECT_SECONDS = 0.5
COMMAND_SECONDS_MAX = 120.0  # its command line takes long to start
SAID_CHARACTERS_MAX = 300
GOOD = ("done", "late")
BLOCKED = "its gateway runs, see below"
NO_RUN = "no good run yet"
HEADS = ("OPENCLAW'S JOB", "TWIN", "STATE", "BECAUSE")


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one original: `off`, `on`, `waits`, or `failed`."""

    id: str
    original: str
    twin: str
    state: str
    because: str = ""


def handed_over(config: Path, path: Path | None, *, as_json: bool) -> int:
    """Switch off each original whose twin has proved itself. Exit code 1 if one could not be."""
    memory = known(config)
    place = place_of(path, memory)
    worker = worker_of(config)
    twins = {job["name"]: job for job in worker.get("/jobs")["jobs"]}
    blocked = in_the_way(place)
    rows = []
    for id_, job in memory.jobs.items():
        if job.handed_over:
            rows.append(Row(id_, name_of(place, id_), job.kept.name, "off", since(job)))
            continue
        if waits := why_not_yet(worker, job, twin=twins.get(job.kept.name)):
            rows.append(Row(id_, name_of(place, id_), job.kept.name, "waits", waits))
            continue
        if blocked:
            rows.append(Row(id_, name_of(place, id_), job.kept.name, "failed", BLOCKED))
            continue
        row, memory = switched(config, memory, id_=id_, place=place, on=False)
        rows.append(row)
    return told(rows, as_json=as_json, blocked=blocked)


def undone(config: Path, path: Path | None, *, as_json: bool) -> int:
    """Switch on again what was switched off. Exit code 1 if one could not be."""
    memory = known(config)
    place = place_of(path, memory)
    rows = []
    ids = [id_ for id_, job in memory.jobs.items() if job.handed_over]
    if ids and (blocked := in_the_way(place)):
        raise ConfigError(blocked)
    for id_ in ids:
        row, memory = switched(config, memory, id_=id_, place=place, on=True)
        rows.append(row)
    if rows and not as_json:
        say("both run again; `twotier job pause NAME` rests a twin")
    return told(rows, as_json=as_json)


def known(config: Path) -> Memory:
    """What was imported. Raises `UsageError` where nothing was."""
    memory = remembered(paths_of(config).state)
    if not memory.jobs:
        raise UsageError("no job was imported yet: `twotier import openclaw --write` does that")
    return memory


def place_of(path: Path | None, memory: Memory) -> Place:
    """OpenClaw's folder: the one that was imported, if no other is named."""
    return read(path or Path(memory.folder), env=os.environ, home=Path.home())


def name_of(place: Place, id_: str) -> str:
    """What OpenClaw calls a job; its id where it has it no more."""
    for number, raw in enumerate(place.theirs.jobs):
        job = original(raw, number_=number)
        if job is not None and job.id == id_:
            return job.name
    return id_


def since(job: Job) -> str:
    """When an original was switched off."""
    return f"handed over {local_time(job.handed_over)}"


def why_not_yet(worker: Peer, job: Job, *, twin: Mapping[str, Any] | None) -> str:
    """Why a twin has not proved itself; empty where it has."""
    name = job.kept.name
    if twin is None:
        return "the twin is not there"
    if not twin["enabled"]:
        return "the twin is off"
    if twin.get("paused"):
        return "the twin is paused"
    watches = worker.get(path_of(worker, name))["watch"] is not None
    good = (*GOOD, "quiet") if watches else GOOD
    asked = {"job": name, "state": ",".join(good), "limit": 1}
    latest = next(iter(worker.get("/runs", asked)["runs"]), None)
    if latest is None or not after(latest, job.since):
        return NO_RUN
    return ""


def after(run: Mapping[str, Any], since_: str) -> bool:
    """Whether a run ended after the twin was written."""
    ended = str(run.get("ended_at") or "")
    return bool(ended) and datetime.fromisoformat(ended) >= datetime.fromisoformat(since_)


def switched(
    config: Path, memory: Memory, *, id_: str, place: Place, on: bool
) -> tuple[Row, Memory]:
    """One original, and the memory with what became of it."""
    job, name = memory.jobs[id_], name_of(place, id_)
    try:
        by = switch(place, id_, on=on)
    except TwotierError as exc:
        return Row(id_, name, job.kept.name, "failed", exc.message), memory
    at = "" if on else SystemClock().now().isoformat()
    memory = memory.marked(id_, handed_over=at, by="" if on else by)
    remember(paths_of(config).state, memory)
    return Row(id_, name, job.kept.name, "on" if on else "off", f"by {by}"), memory


def switch(place: Place, id_: str, *, on: bool) -> str:
    """Switch it, and say by what. Raises `TwotierError`."""
    if runs(place):
        return by_command(id_, on=on)
    if place.jobs is None:
        raise ConfigError("OpenClaw has no jobs there any more")
    change = in_database if place.kind == "database" else in_file
    changed = change(place.jobs, id_, enabled=on)
    return str(place.jobs) if changed else "nobody: it was so already"


def in_the_way(place: Place) -> str:
    """Why nothing can be switched now; empty where it can."""
    if shutil.which(PROGRAM) is not None or not runs(place):
        return ""
    return (
        f"OpenClaw's gateway runs (port {place.port}) and would write its own copy over ours, and"
        f" there is no `{PROGRAM}` on PATH to tell it: stop it (`{PROGRAM} gateway stop`) and try"
        " again"
    )


def by_command(id_: str, *, on: bool) -> str:
    """OpenClaw's own command, which tells its gateway. Raises `ConfigError`."""
    say(f"asking OpenClaw to switch {id_} {'on' if on else 'off'}")
    words = [shutil.which(PROGRAM) or PROGRAM, "cron", "enable" if on else "disable", id_]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise ConfigError(f"`{' '.join(words)}` did not end well: {exc}") from exc
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())[:SAID_CHARACTERS_MAX]
        raise ConfigError(f"`{' '.join(words)}` failed: {said}")
    return f"{PROGRAM} cron {words[2]}"


def runs(place: Place) -> bool:
    """Whether OpenClaw's gateway runs: somebody listens where it does, or has its database open."""
    try:
        socket.create_connection(("127.0.0.1", place.port), timeout=CONNECT_SECONDS).close()
    except OSError:
        return place.kind == "database" and place.jobs is not None and held(place.jobs)
    return True


def held(file: Path) -> bool:
    """Whether another process of this user has a file open."""
    wanted = str(file.resolve())
    return any(wanted in (one.path for one in opened) for opened in files_open())


def files_open() -> Iterator[list[Any]]:
    """The files of each other process that may be looked at."""
    own = os.getpid()
    for process in psutil.process_iter():
        try:
            if process.pid != own:
                yield process.open_files()
        except (psutil.Error, OSError):  # it ended meanwhile, or is another user's
            continue


def told(rows: list[Row], *, as_json: bool, blocked: str = "") -> int:
    """All of it; exit code 1 if one failed."""
    failed = any(row.state == "failed" for row in rows)
    if as_json:
        emit({"jobs": [named(row) for row in rows]})
        return int(failed)
    if not rows:
        say("nothing is handed over")
        return 0
    show([HEADS, *((row.original, row.twin, row.state, row.because) for row in rows)])
    if any(row.because == NO_RUN for row in rows):
        say("`twotier job run NAME` gives a twin its run; then hand over again")
    if failed and blocked:
        say(f"twotier: {blocked}")
    return int(failed)


def named(row: Row) -> dict[str, str]:
    """A row for scripts."""
    return {
        "id": row.id,
        "original": row.original,
        "twin": row.twin,
        "state": row.state,
        "because": row.because,
    }
