"""What the main process takes of the machine, under the names every Prometheus client uses."""

from __future__ import annotations

import resource

import psutil

from twotier.telemetry.families import (
    CPU,
    FILES,
    FILES_MAX,
    RESIDENT,
    STARTED,
    VIRTUAL,
    Samples,
)


def samples() -> Samples:
    """The figures of this process now. Reads the system's tables: not for the event loop."""
    process = psutil.Process()
    with process.oneshot():
        times, memory = process.cpu_times(), process.memory_info()
        files, started = process.num_fds(), process.create_time()
    files_max, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {
        CPU: [((), times.user + times.system)],
        RESIDENT: [((), memory.rss)],
        VIRTUAL: [((), memory.vms)],
        FILES: [((), files)],
        FILES_MAX: [((), files_max)],
        STARTED: [((), started)],
    }
