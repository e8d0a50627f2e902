"""The file a child writes its output to, kept small, and its last lines.

The child holds the file itself (opened for appending), so that it survives us. Renaming a file
under a writer would send the rest of its life into the renamed one; therefore a running child's
log is copied and cut (an appending writer goes on at the new end; what it writes between the two
steps is lost, a few lines at most), and only between two lives it is renamed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections import deque
from functools import partial
from pathlib import Path
from typing import Protocol, TextIO

from twotier.domain.clock import Clock

KEEP = 5
TAIL_BYTES = 16 * 1024


def _older(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _make_room(path: Path) -> None:
    """Move `.1` to `.2` and so on; the oldest goes."""
    for number in range(KEEP - 1, 0, -1):
        source = _older(path, number)
        if source.exists():
            source.replace(_older(path, number + 1))


def rotate(path: Path) -> None:
    """Between two lives: what the last one said becomes `.1`."""
    if not path.exists() or path.stat().st_size == 0:
        return
    _make_room(path)
    path.replace(_older(path, 1))


def cut(path: Path, *, bytes_max: int) -> bool:
    """While it runs: copy an overlong log to `.1` and empty it in place. True if it was cut."""
    if not path.exists() or path.stat().st_size <= bytes_max:
        return False
    _make_room(path)
    shutil.copyfile(path, _older(path, 1))
    with path.open("r+b") as file:
        file.truncate(0)
    return True


class Logged(Protocol):
    """Whose log it is, and how long that may become."""

    @property
    def log_path(self) -> Path:
        """The file."""
        ...

    @property
    def log_bytes_max(self) -> int:
        """Its limit."""
        ...

    @property
    def log_look_seconds(self) -> float:
        """How often it is looked at."""
        ...


async def tend(child: Logged, clock: Clock) -> None:
    """Keep a running child's log small, until cancelled."""
    cut_it = partial(cut, child.log_path, bytes_max=child.log_bytes_max)
    while True:
        await clock.sleep(child.log_look_seconds)
        with contextlib.suppress(OSError):  # a full disk; the next time may go better
            await asyncio.to_thread(cut_it)


def last_lines(path: Path, *, lines_max: int = 40) -> tuple[str, ...]:
    """The end of the log, without empty lines; nothing if there is no log."""
    if not path.exists():
        return ()
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - TAIL_BYTES))
        text = file.read().decode("utf-8", errors="replace")
    return tuple(line for line in text.splitlines() if line.strip())[-lines_max:]


def last(path: Path, count: int) -> list[str]:
    """The last lines; where the log is young, those of the life before it too."""
    found: deque[str] = deque(maxlen=count)
    for one in (_older(path, 1), path):
        if one.exists():
            with one.open(encoding="utf-8", errors="replace") as file:
                found.extend(line.rstrip("\n") for line in file)
    return list(found)


def opened(path: Path, *, at_end: bool) -> TextIO:
    """The log, from its start or from its end."""
    file = path.open(encoding="utf-8", errors="replace")
    if at_end:
        file.seek(0, 2)
    return file


def replaced(path: Path, file: TextIO) -> bool:
    """A new life has a new file under the name; a cut one is shorter than where we are."""
    now = path.stat() if path.exists() else None
    held = os.fstat(file.fileno())
    return now is not None and (now.st_ino != held.st_ino or now.st_size < file.tell())
