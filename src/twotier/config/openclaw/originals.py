"""Switches one of OpenClaw's own jobs off and on, where they lie, while OpenClaw does not run.

Whoever calls this has made sure of that: a gateway that runs holds its jobs in memory, and writes
its own copy over ours. The file is replaced as a whole, and what it was is kept beside it; in the
database one row changes in one transaction.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from twotier.config import json5
from twotier.config.openclaw.disk import JOBS_BYTES_MAX, read_text
from twotier.config.openclaw.notes import rows, table, text
from twotier.config.write import put_file
from twotier.errors import ConfigError

KEPT = ".before-twotier"
WAIT_SECONDS = 5.0
FIND = "SELECT store_key, job_json, schedule_identity FROM cron_jobs WHERE job_id = ?"
CHANGE = (
    "UPDATE cron_jobs SET enabled = ?, job_json = ?, schedule_identity = ?"
    " WHERE store_key = ? AND job_id = ?"
)


def in_file(path: Path, id_: str, *, enabled: bool) -> bool:
    """In a `jobs.json`; whether anything changed. Raises `ConfigError`."""
    real = path.resolve()
    before = read_text(real, JOBS_BYTES_MAX)
    raw = json5.read(before, source=str(path))
    job = job_in(rows(raw) or rows(table(raw).get("jobs")), id_)
    if job is None:
        raise ConfigError(f"{path} has no job {id_}; import again")
    if (job.get("enabled") is not False) == enabled:
        return False
    job["enabled"] = enabled
    mode = real.stat().st_mode & 0o777
    put_file(real.with_name(f"{real.name}{KEPT}"), before.encode(), mode=mode)
    after = f"{json.dumps(raw, indent=2, ensure_ascii=False)}\n"
    if read_text(real, JOBS_BYTES_MAX) != before:
        raise ConfigError(f"{path} was changed just now; try again")
    put_file(real, after.encode(), mode=mode)
    return True


def job_in(jobs: list[Any], id_: str) -> dict[str, Any] | None:
    """A job by its id; early releases called it `jobId`."""
    for job in jobs:
        if isinstance(job, dict) and id_ in (text(job.get("id")), text(job.get("jobId"))):
            return job
    return None


def in_database(path: Path, id_: str, *, enabled: bool) -> bool:
    """In the database; whether anything changed. Raises `ConfigError`."""
    uri = f"{path.resolve().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS)) as file:
            file.isolation_level = None
            file.execute("BEGIN IMMEDIATE")
            found = file.execute(FIND, (id_,)).fetchone()
            if found is None:
                raise ConfigError(f"{path} has no job {id_}; import again")
            store_key, job, identity = found[0], json.loads(found[1]), found[2]
            if bool(job.get("enabled", True)) == enabled:
                file.execute("ROLLBACK")
                return False
            job["enabled"] = enabled
            values = (int(enabled), compact(job), identity_of(identity, enabled=enabled))
            file.execute(CHANGE, (*values, store_key, id_))
            file.execute("COMMIT")
    except (sqlite3.Error, ValueError) as exc:
        raise ConfigError(f"{path} could not be changed: {exc}") from exc
    return True


def identity_of(identity: str | None, *, enabled: bool) -> str | None:
    """What OpenClaw compares to see that a schedule is another one, with the switch in it."""
    return None if identity is None else compact({**json.loads(identity), "enabled": enabled})


def compact(value: Any) -> str:
    """JSON as OpenClaw writes it into a row."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
