"""What a process has used: CPU time of all its threads, and memory.

CPU time and not wall time, because the machine is shared: what the neighbours do makes us wait, and
hardly makes us work.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

NANOSECONDS = 1e9
MEGABYTE = 1e6


def cpu_seconds(pid: int) -> float:
    """CPU time so far: from the scheduler to the nanosecond where it tells (Linux), else psutil."""
    total = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended
            total += int(task.read_text(encoding="ascii").split()[0])
    if total:
        return total / NANOSECONDS
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def rss_megabytes(pid: int) -> float:
    """Resident memory now."""
    return float(psutil.Process(pid).memory_info().rss) / MEGABYTE


def load() -> str:
    """How busy the machine was, for the reader of the table."""
    return f"load {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores"
