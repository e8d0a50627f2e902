"""Writes the copy, while main and worker go on: databases by SQLite's own backup, each looked at.

The archive gets its name when all of it is on disk. Its last member is a manifest with the digest
of each of the others, so that one that was cut off, or changed, is none.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twotier.copies.contents import LEDGER, MANIFEST, SETTINGS, STATE, settings_files, state_files
from twotier.errors import BackupError

FORMAT = 1
MODE = 0o600
STAMP = "%Y%m%dT%H%M%SZ"
BUSY_SECONDS = 10.0
READ_BYTES = 1 << 20
GZIP_LEVEL = 3  # databases shrink to a quarter with it; more takes twice the time for a tenth


@dataclass(frozen=True, slots=True)
class Made:
    """The archive, its size in bytes, and what each of its members weighs unpacked."""

    path: Path
    size_bytes: int
    parts: dict[str, int]


def make(target: Path, *, config: Path, state: Path, version: str, now: datetime) -> Made:
    """Blocking. `target` is a folder, in which the file gets a name with its time, or a new file.

    Raises `BackupError` where something cannot be read or written, is not well, or is there
    already; then no file is left behind.
    """
    name = f"twotier-{now.astimezone(UTC).strftime(STAMP)}.tar.gz"
    path = target / name if target.is_dir() else target
    if path.exists():
        raise BackupError(f"{path} exists already; name another file or a folder")
    files = [(f"{STATE}/{file.relative_to(state)}", file) for file in state_files(state)]
    if not any(file.name == LEDGER for _, file in files):
        raise BackupError(f"there is nothing of twotier in {state}; is --config the right one?")
    files += [(f"{SETTINGS}/{f.relative_to(config.parent)}", f) for f in settings_files(config)]
    head = {"format": FORMAT, "version": version, "made_at": now.astimezone(UTC).isoformat()}
    part = path.with_name(f"{path.name}.part")
    try:
        _room(path.parent, files)
        with _private(part) as archive, tempfile.TemporaryDirectory(dir=path.parent) as folder:
            parts = dict(_added(archive, files, folder=Path(folder)))
            digests = {name: digest for name, (digest, _) in parts.items()}
            _manifest(archive, {**head, "parts": digests})
        part.replace(path)
    except (OSError, sqlite3.Error, tarfile.TarError) as exc:
        raise BackupError(f"no backup was made in {path.parent}: {exc}") from exc
    finally:
        part.unlink(missing_ok=True)
    sizes = {name: size for name, (_, size) in parts.items()}
    return Made(path, path.stat().st_size, sizes)


def _room(folder: Path, files: list[tuple[str, Path]]) -> None:
    """The largest one is there twice for a moment; that the rest shrinks is not counted on."""
    sizes = [file.stat().st_size for _, file in files]
    needed = sum(sizes) + max(sizes)
    if shutil.disk_usage(folder).free < needed:
        raise BackupError(
            f"no backup was made: it may need {needed / 1e9:.1f} GB in {folder}; name a folder on"
            " another disk"
        )


@contextmanager
def _private(path: Path) -> Iterator[tarfile.TarFile]:
    """An archive that only its owner can read: keys of clients are in it. Where others may write in
    its folder, what one of them has laid there is not written into.
    """
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w:gz", compresslevel=GZIP_LEVEL) as archive:
            yield archive
        file.flush()
        os.fsync(file.fileno())


def _added(
    archive: tarfile.TarFile, files: list[tuple[str, Path]], *, folder: Path
) -> Iterator[tuple[str, tuple[str, int]]]:
    """Each file's name in the archive with its digest and size, as it is added."""
    staged = folder / "one"
    for name, file in files:
        if file.suffix == ".db":
            _copied(file, staged)
        else:
            try:
                shutil.copyfile(file, staged)
            except FileNotFoundError:  # it was replaced or its time was over; it is not needed
                continue
        member = tarfile.TarInfo(name)
        member.size, member.mode = staged.stat().st_size, MODE
        with staged.open("rb") as source:
            archive.addfile(member, source)
        yield name, (digest_of(staged), member.size)
        staged.unlink()


def _copied(file: Path, staged: Path) -> None:
    """One moment's view of a database that others write to. Raises `BackupError`."""
    uri = f"{file.absolute().as_uri()}?mode=ro"
    os.close(os.open(staged, os.O_CREAT | os.O_RDWR, MODE))
    with (
        closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as source,
        closing(sqlite3.connect(staged)) as copy,
    ):
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        found = str(copy.execute("PRAGMA quick_check(1)").fetchone()[0])
    if found != "ok":
        raise BackupError(
            f"{file.name} is not well ({found}), so no backup was made; `twotier doctor` says more"
        )


def _manifest(archive: tarfile.TarFile, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=2).encode()
    member = tarfile.TarInfo(MANIFEST)
    member.size, member.mode = len(text), MODE
    archive.addfile(member, io.BytesIO(text))


def digest_of(file: Path) -> str:
    """SHA-256 of a file, in hex digits."""
    with file.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
