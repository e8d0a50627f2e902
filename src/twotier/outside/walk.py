"""A bounded walk over files that only grow, from where the last one stopped.

A cursor is a file's device, inode and offset behind its last whole line. A file that was replaced
or cut is read from its beginning; who takes the lines knows each answer by its id, so nothing
counts twice. Links are not followed, and a path is kept as its digest alone: the names of folders
tell what a person works on.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

FILES_MAX = 20_000
CHUNK_BYTES = 1_000_000
LOOK_BYTES_MAX = 64_000_000


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a file was read. `key` is the digest of its path."""

    key: str
    device: int
    inode: int
    offset: int


@dataclass(frozen=True, slots=True)
class Place:
    """A folder, and which files in it are logs, by their path inside it."""

    root: Path
    pattern: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines of one file, and where to go on."""

    lines: list[bytes]
    cursor: Cursor
    more: bool  # the file has not been read to its end
    unread: int = 0  # lines that are there and cannot be read


def key_of(path: Path) -> str:
    """What a path is known by."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:32]


def pieces(place: Place, cursors: Mapping[str, Cursor], *, since_seconds: float) -> Iterator[Piece]:
    """What is new in each file that was written to since then, in chunks, the last written first.

    A look ends after `LOOK_BYTES_MAX`; the next one goes on there.
    """
    left = LOOK_BYTES_MAX
    for path in files(place, since_seconds):
        cursor = cursors.get(key_of(path))
        while left > 0 and (piece := read_on(path, cursor)):
            left -= max(1, piece.cursor.offset - (cursor.offset if cursor else 0))
            yield piece
            cursor = piece.cursor
            if not piece.more:
                break


def files(place: Place, since_seconds: float) -> list[Path]:
    """The logs, the last written first."""
    found: list[tuple[float, Path]] = []
    for folder, _, names in os.walk(place.root):
        for path in (Path(folder, name) for name in names):
            if fnmatch(str(path.relative_to(place.root)), place.pattern):
                found += _written(path, since_seconds)
        if len(found) >= FILES_MAX:
            break
    return [path for _, path in sorted(found, reverse=True)[:FILES_MAX]]


def _written(path: Path, since_seconds: float) -> list[tuple[float, Path]]:
    """When it was written to last; nothing for what is too old, a link, or has just gone."""
    with suppress(OSError):
        about = path.lstat()
        if stat.S_ISREG(about.st_mode) and about.st_mtime >= since_seconds:
            return [(about.st_mtime, path)]
    return []


def read_on(path: Path, cursor: Cursor | None) -> Piece | None:
    """The next whole lines; None where there are none, or the file is not for us to read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        begin = _offset(cursor, about)
        if begin >= about.st_size:
            return None
        file.seek(begin)
        chunk = file.read(CHUNK_BYTES)
    end = chunk.rfind(b"\n") + 1
    # A line longer than a chunk holds a picture, not a usage; what is left of it reads as nothing.
    taken = end or (len(chunk) if len(chunk) >= CHUNK_BYTES else 0)
    if not taken:
        return None
    offset = begin + taken
    known = Cursor(key_of(path), about.st_dev, about.st_ino, offset)
    return Piece(chunk[:end].splitlines(), known, more=offset < about.st_size)


def _offset(cursor: Cursor | None, about: os.stat_result) -> int:
    """Where to begin: behind what was read, if it is still the same file and not shorter."""
    if cursor is None or (cursor.device, cursor.inode) != (about.st_dev, about.st_ino):
        return 0
    return cursor.offset if cursor.offset <= about.st_size else 0
