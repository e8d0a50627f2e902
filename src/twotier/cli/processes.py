"""What is left of a configuration on this machine: its main process, its kept servers.

Read from the lock and from the records beside it, for the moments when main itself does not
answer. A pid counts only together with a held lock or with the process's own start time: pids are
used again, and the wrong process must never be ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from twotier.config.paths import Paths
from twotier.supervisor import record
from twotier.supervisor.process import SAME_START_SECONDS

LOOK_SECONDS = 0.05
ENGINE_GRACE_SECONDS = 10.0


def main_process(paths: Paths) -> psutil.Process | None:
    """The process that holds the lock of this state folder, if one does."""
    try:
        with paths.lock.open("rb") as file:
            if not held(file.fileno()):
                return None
            return psutil.Process(int(file.read().split()[0]))
    except (FileNotFoundError, ValueError, IndexError, psutil.NoSuchProcess):
        return None


def held(descriptor: int) -> bool:
    """Does another process hold this lock? If not, it is ours for an instant, and given back."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def engines_alive(paths: Paths) -> Iterator[tuple[Path, psutil.Process]]:
    """Every kept server that lives, with its record's file."""
    for file in sorted(paths.engines.glob("*.json")):
        found = record.read(file)
        if found is None:
            continue
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(found.pid)
            same = abs(process.create_time() - found.created) < SAME_START_SECONDS
            if same and alive(process):
                yield file, process


def alive(process: psutil.Process) -> bool:
    """Still there, and not only waiting to be noticed by its parent."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone_within(process: psutil.Process, seconds: float) -> bool:
    """Wait for its end. Not `Process.wait`, which waits for zombies of other parents too."""
    end = time.monotonic() + seconds
    while alive(process):
        if time.monotonic() > end:
            return False
        time.sleep(LOOK_SECONDS)
    return True


def end_group(process: psutil.Process) -> bool:
    """Ask the process's whole group to end, then make it. A kept server leads its own group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        if gone_within(process, ENGINE_GRACE_SECONDS):
            return True
    return False
