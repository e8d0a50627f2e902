"""`twotier forget JOB`: nothing of it is left in what the worker keeps."""

from __future__ import annotations

from pathlib import Path

from twotier.cli.job import path_of
from twotier.cli.models import agreed
from twotier.cli.output import emit, show
from twotier.cli.peers import worker_of

SECONDS_MAX = 600.0  # a large file is written anew, so that nothing of it is left on the disk


def forgotten(config: Path, name: str, *, yes: bool, as_json: bool) -> int:
    """Ask once, then delete. Raises `NotRunningError` where no worker runs: it alone may write."""
    worker = worker_of(config)
    worker.get("/healthz")
    path = path_of(worker, name)
    agreed(f"delete everything that is known of the job {name}? It cannot be undone.", yes)
    rows = worker.post(f"{path}/forget", seconds=SECONDS_MAX)["rows"]
    if as_json:
        emit({"job": name, "rows": rows})
    else:
        print(f"forgot {name}")
        show((f"  {table}", count) for table, count in rows.items())
    return 0
