"""Makes the environment an engine runs in: its own, from a lock with hashes.

An environment lies in a folder named after its lock's hash and the Python it is for, so another
lock is another environment and a running engine never loses the files under it. It is built under
another name and moved into place with its marker file written last: what is there is whole. Two
builders at once: the second waits, then finds it done.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from twotier.domain.clock import Clock
from twotier.packages import Installer, Say

_MARKER = ".complete"


def place(lock: Path, folder: Path) -> Path:
    """Where the environment of this lock lies, or will."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return folder / f"{lock.stem}-{_hash(lock)[:12]}-py{version}"


def python_of(lock: Path, folder: Path) -> Path | None:
    """The python of the finished environment; None if it is not there yet."""
    target = place(lock, folder)
    return target / "bin" / "python" if _complete(target, lock) else None


def ensure(lock: Path, folder: Path, *, installer: Installer, clock: Clock, say: Say) -> Path:
    """The python of the environment, made first if need be. Blocks: minutes when it is made.

    Raises `EngineError` when it cannot be made.
    """
    if found := python_of(lock, folder):
        return found
    folder.mkdir(parents=True, exist_ok=True)
    target = place(lock, folder)
    with _alone(folder / f"{target.name}.lock", say):
        if not _complete(target, lock):
            _build(lock, target, installer=installer, clock=clock, say=say)
    return target / "bin" / "python"


def _hash(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def _complete(target: Path, lock: Path) -> bool:
    marker = target / _MARKER
    return marker.exists() and marker.read_text(encoding="ascii") == _hash(lock)


def _build(lock: Path, target: Path, *, installer: Installer, clock: Clock, say: Say) -> None:
    began = clock.monotonic()
    by = "uv" if installer.uv else "pip"
    say(f"making the environment of the engine {lock.stem} (with {by}; a minute or two)")
    half = target.with_name(f"{target.name}.half")
    log = target.with_name(f"{target.name}.log")
    shutil.rmtree(half, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    log.unlink(missing_ok=True)
    installer.environment(half, lock, log=log)
    (half / _MARKER).write_text(_hash(lock), encoding="ascii")
    # `python -m ...` works under the new name: it finds its packages through pyvenv.cfg.
    half.replace(target)
    say(f"made in {clock.monotonic() - began:.0f} s: {target}")


@contextlib.contextmanager
def _alone(path: Path, say: Say) -> Iterator[None]:
    """One builder at a time. The lock goes with its process, so a killed builder leaves none."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another process is making this environment; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)  # ends: every step of the other one has a limit
        yield
    finally:
        os.close(handle)
