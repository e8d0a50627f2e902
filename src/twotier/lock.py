"""One main process and one worker per state folder, one writer per file.

Locks of the kernel, which drops them when we die.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from twotier.errors import AlreadyRunningError, LockedError

RETRY_SECONDS = 0.02


@contextmanager
def only_one(path: Path) -> Generator[None]:
    """Hold the lock at `path`, with our pid inside. Raises `AlreadyRunningError`.

    The file stays: removing it would let two processes lock two files of one name.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not taken(descriptor):
            pid = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "?"
            raise AlreadyRunningError(
                f"twotier runs already here (pid {pid}); `twotier status` shows it,"
                " `twotier down` stops it"
            )
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


@contextmanager
def one_at_a_time(path: Path, *, seconds_max: float = 10.0) -> Generator[None]:
    """Hold the lock at `path`, after whoever holds it now. Raises `LockedError`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until = time.monotonic() + seconds_max
        while not taken(descriptor):
            if time.monotonic() > until:
                raise LockedError(
                    f"{path} was held for {seconds_max:.0f} s; `lsof {path}` says by whom"
                )
            time.sleep(RETRY_SECONDS)
        yield
    finally:
        os.close(descriptor)


def taken(descriptor: int) -> bool:
    """Try to take the lock of an open file."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
