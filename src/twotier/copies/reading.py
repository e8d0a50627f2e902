"""Unpacks an archive into a folder of its own and believes nothing of it until it was looked at.

A member is a plain file under one of our two names, of a size that fits the disk; what the manifest
does not name, or names otherwise, is refused, and so is a database that is damaged or too new.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from twotier.copies.contents import MANIFEST, SETTINGS, STATE
from twotier.copies.making import FORMAT, MODE, READ_BYTES, digest_of
from twotier.errors import BackupError

MEMBERS_MAX = 1_000_000
MANIFEST_BYTES_MAX = 256_000_000
ROOM_BYTES = 100_000_000
PROBLEMS = (OSError, EOFError, zlib.error, tarfile.TarError, sqlite3.Error)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What lies under `folder` in `state/` and `config/`; when it was made, and by which version.

    `names` are the members, with forward slashes.
    """

    folder: Path
    made_at: datetime
    version: str
    names: tuple[str, ...]


def unpack(archive: Path, into: Path, *, known: Mapping[str, str]) -> Unpacked:
    """Blocking. `known`: the newest revision of its tables that this program knows, by database.

    `into` is emptied first. Raises `BackupError` for an archive that is not whole, not ours, or of
    a newer twotier.
    """
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(mode=0o700, parents=True)
    try:
        with tarfile.open(archive, "r:gz") as opened:
            names = [_member(opened, member, into=into) for member in _members(opened)]
        return _believed(archive, into, names=names, known=known)
    except FileNotFoundError as exc:
        raise BackupError(f"there is no file {archive}; `twotier backup` makes one") from exc
    except PROBLEMS as exc:
        raise BackupError(f"{archive} is no whole backup of twotier: {exc}; use another") from exc


def _members(opened: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for count, member in enumerate(opened):
        if count >= MEMBERS_MAX:
            raise BackupError(f"it holds more than {MEMBERS_MAX} files: no backup of twotier")
        yield member


def _member(opened: tarfile.TarFile, member: tarfile.TarInfo, *, into: Path) -> str:
    """Write one file out. A link, a device, or a path that leads elsewhere is no file of ours."""
    name = PurePosixPath(member.name)
    ours = member.name == MANIFEST or (len(name.parts) > 1 and name.parts[0] in (STATE, SETTINGS))
    plain = member.isreg() and not name.is_absolute() and ".." not in name.parts
    if not (ours and plain and "\0" not in member.name and str(name) == member.name):
        raise BackupError(f"it holds {member.name!r}, which no backup of twotier does")
    if member.name == MANIFEST and member.size > MANIFEST_BYTES_MAX:
        raise BackupError("its manifest is too large to be one")
    if shutil.disk_usage(into).free < member.size + ROOM_BYTES:
        raise BackupError(f"no room in {into} for {member.name}, {member.size / 1e9:.1f} GB")
    source, place = opened.extractfile(member), into / name
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
    with os.fdopen(descriptor, "wb") as file:
        shutil.copyfileobj(source, file, READ_BYTES)  # type: ignore[arg-type]  # a file: isreg
        file.flush()
        os.fsync(file.fileno())
    return member.name


def _believed(archive: Path, into: Path, *, names: list[str], known: Mapping[str, str]) -> Unpacked:
    manifest = _manifest(archive, into / MANIFEST)
    parts: dict[str, str] = manifest["parts"]
    found = {name for name in names if name != MANIFEST}
    if found != set(parts):
        other = min(found ^ set(parts))
        raise BackupError(f"{archive} and its manifest do not agree about {other}; use another")
    for name, digest in parts.items():
        if digest_of(into / name) != digest:
            raise BackupError(f"{name} in {archive} is not what was written; use another")
    for database, newest in known.items():
        if (file := into / STATE / database).exists():
            _database(file, newest)
    (into / MANIFEST).unlink()
    made_at = datetime.fromisoformat(manifest["made_at"])
    return Unpacked(into, made_at, manifest["version"], tuple(sorted(found)))


def _manifest(archive: Path, file: Path) -> dict[str, Any]:
    """The manifest, of the shape that `making` writes."""
    try:
        found = json.loads(file.read_bytes())
        if found["format"] != FORMAT:
            raise BackupError(
                f"{archive} was made by another twotier ({found['version']}), in a form that this"
                " one does not know; restore it with that version"
            )
        datetime.fromisoformat(found["made_at"])
        parts = {str(name): str(digest) for name, digest in found["parts"].items()}
        return {**found, "version": str(found["version"]), "parts": parts}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise BackupError(
            f"{archive} has no manifest of twotier: it was cut off, or is none"
        ) from (exc)


def _database(file: Path, newest: str) -> None:
    """Raises `BackupError` for one that is damaged, or was written by a newer program."""
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        said = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        has = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
        row = None
        if connection.execute(has).fetchone():
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if said != "ok":
        raise BackupError(f"{file.name} in it is damaged ({said}); use another backup")
    if row and str(row[0]) > newest:
        raise BackupError(
            f"{file.name} in it is of a newer twotier (schema {row[0]}, this one knows {newest});"
            " install that version first"
        )
