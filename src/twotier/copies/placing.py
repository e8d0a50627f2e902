"""Puts what was unpacked in the place of what is there, which is kept aside.

One file after the other, so a kill may come in between: a note in the folder says so until all of
it is done. While it is there neither main nor worker starts, and the same command, said again, goes
on from where it was.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from twotier.copies.contents import BEFORE, LEDGER, RESTORING, SETTINGS, STATE, state_files
from twotier.copies.making import MODE, STAMP
from twotier.copies.reading import Unpacked
from twotier.errors import BackupError

SIDE_FILES = ("-wal", "-shm", "-journal", "-moves", "-suspect")


@dataclass(frozen=True, slots=True)
class Placed:
    """`aside`: where that lies which was there before, None if there was nothing. `settings`: files
    of the configuration that were written; those that were there already stayed.
    """

    aside: Path | None
    settings: tuple[Path, ...]
    kept: tuple[Path, ...]


def note_path(state: Path) -> Path:
    """While it exists a restore is on its way, or was interrupted."""
    return state / f"{RESTORING}.json"


def place(
    unpacked: Unpacked, *, state: Path, config: Path, keep_ledger: bool, now: datetime
) -> Placed:
    """Blocking; both locks of the folder are held by the caller. Raises `BackupError`."""
    try:
        aside = state / f"{BEFORE}{_stamp(state, now)}"
        new = unpacked.folder / STATE
        if keep_ledger:
            for file in new.glob(f"{LEDGER}*"):
                file.unlink()
        elif (new / LEDGER).exists():
            _hold(new / LEDGER, unpacked.made_at, now=now)
        _moved_aside(state, aside, keep_ledger=keep_ledger)
        for file in sorted(path for path in new.rglob("*") if path.is_file()):
            target = state / file.relative_to(new)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.replace(target)
        written, kept = _settings(unpacked.folder / SETTINGS, config)
        _synced(state)
        note_path(state).unlink()
        shutil.rmtree(unpacked.folder, ignore_errors=True)
    except (OSError, sqlite3.Error) as exc:
        raise BackupError(
            f"the restore was interrupted: {exc}; mend that and say the same command again"
        ) from exc
    return Placed(aside if aside.exists() else None, written, kept)


def _stamp(state: Path, now: datetime) -> str:
    """Of the restore that was interrupted, else of a new one, noted before anything moves."""
    note = note_path(state)
    if note.exists():
        return str(json.loads(note.read_text(encoding="utf-8"))["stamp"])
    stamp = now.astimezone(UTC).strftime(STAMP)
    part = note.with_suffix(".tmp")
    part.write_text(json.dumps({"stamp": stamp}), encoding="utf-8")
    part.chmod(MODE)
    part.replace(note)
    _synced(state)
    return stamp


def _hold(ledger: Path, made_at: datetime, *, now: datetime) -> None:
    """What was spent since is in no book: every limit counts as reached until it is confirmed."""
    because = (
        f"the ledger was restored on {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC from a backup of"
        f" {made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC. What was spent since is not in it, so"
        " every limit counts as reached until you say `twotier spend confirm`."
    )
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("DELETE FROM meta WHERE key = 'held'")
        connection.execute("INSERT INTO meta (key, value) VALUES ('held', ?)", (because,))


def _moved_aside(state: Path, aside: Path, *, keep_ledger: bool) -> None:
    """A file that lies there already was moved by the try before; the one here is the new one."""
    for file in state_files(state):
        if keep_ledger and file.name.startswith(LEDGER):
            continue
        for one in (file, *(file.with_name(f"{file.name}{end}") for end in SIDE_FILES)):
            target = aside / one.relative_to(state)
            if not one.exists() or target.exists():
                continue
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            one.replace(target)


def _settings(new: Path, config: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """What a person wrote is not overwritten: only what is missing is put there."""
    written, kept = [], []
    for file in sorted(path for path in new.rglob("*") if path.is_file()):
        name = file.relative_to(new)
        target = config if len(name.parts) == 1 else config.parent / name
        if target.exists():
            if target.read_bytes() != file.read_bytes():
                kept.append(target)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        target.chmod(MODE)
        written.append(target)
    return tuple(written), tuple(kept)


def _synced(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
