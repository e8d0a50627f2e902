"""Copies of the ledger while it is written to, by SQLite's own backup; each is looked at.

A backup is one transaction's view of the file, so it is whole whenever it was made. It gets its
name when it is on disk and was found well; the oldest go when there are more than are kept.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from twotier.errors import LedgerError
from twotier.ledger.check import examine
from twotier.ledger.store import FILE_MODE, connect_reading

FOLDER = "backups"
CHECK_SECONDS = 30.0
ROOM_BYTES = 200_000_000  # left free on the disk, for the ledger itself
STAMP = "%Y%m%dT%H%M%SZ"


def backups(path: Path) -> list[Path]:
    """The backups of this ledger, the newest first."""
    return sorted((path.parent / FOLDER).glob(f"{path.stem}-*.db"), reverse=True)


def made_at(backup: Path) -> datetime | None:
    """When it was made, in UTC; None for a file that has another name."""
    try:
        return datetime.strptime(backup.stem.rpartition("-")[2], STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def back_up(path: Path, *, now: datetime, keep: int) -> Path:
    """Blocking, for as long as the copy takes; writers go on meanwhile. The new backup.

    Raises `LedgerError` where there is no room, or the copy is not well: then there is none.
    """
    folder = path.parent / FOLDER
    made = folder / f"{path.stem}-{now.astimezone(UTC).strftime(STAMP)}.db"
    part = made.with_suffix(".part")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        needed = path.stat().st_size + ROOM_BYTES
        if shutil.disk_usage(folder).free < needed:
            raise LedgerError(
                f"no backup of the ledger was made: it needs {needed / 1e9:.1f} GB free in {folder}"
            )
        _copy(path, part)
        found = examine(part, seconds=CHECK_SECONDS)
        if not found.well:
            raise LedgerError(
                f"the ledger's backup was not well ({found.broken or found.days}), so it was not"
                " kept; `twotier doctor` looks at the ledger itself"
            )
        part.replace(made)
    except (OSError, sqlite3.Error) as exc:
        raise LedgerError(f"no backup of the ledger was made in {folder}: {exc}") from exc
    finally:
        for ending in ("", "-wal", "-shm", "-journal"):
            Path(f"{part}{ending}").unlink(missing_ok=True)
    for old in backups(path)[keep:]:
        old.unlink(missing_ok=True)
    return made


def restore(path: Path) -> Path | None:
    """Put the newest backup that is well at `path`; None if there is none. Raises `OSError`."""
    for backup in backups(path):
        part = path.with_name(f"{path.name}-restoring")
        shutil.copyfile(backup, part)
        part.chmod(FILE_MODE)
        if examine(part, seconds=CHECK_SECONDS).broken:
            part.unlink()
            continue
        for ending in ("-wal", "-shm"):
            Path(f"{part}{ending}").unlink(missing_ok=True)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
        return backup
    return None


def _copy(path: Path, part: Path) -> None:
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_RDWR, FILE_MODE))
    with closing(connect_reading(path)) as source, closing(sqlite3.connect(part)) as copy:
        source.backup(copy)
        # One file and no log beside it; opened for writing, it becomes what the ledger is.
        copy.execute("PRAGMA journal_mode=DELETE")
    with part.open("rb") as file:
        os.fsync(file.fileno())
