"""One main process, and one worker, per state folder: a lock the kernel drops when we die."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from twotier.errors import AlreadyRunningError


@contextmanager
def only_one(path: Path) -> Generator[None]:
    """Hold the lock at `path`, with our pid inside. Raises `AlreadyRunningError`.

    The file stays: removing it would let two processes lock two files of one name.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            pid = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "?"
            raise AlreadyRunningError(
                f"twotier runs already here (pid {pid}); `twotier status` shows it,"
                " `twotier down` stops it"
            ) from exc
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)
