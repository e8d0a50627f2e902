"""Watches a folder as an inbox: every text file that is new or has new content is an item.

An item's id comes from the file's name and content, so the same file found again is the same item,
wherever its times went. The cursor remembers size and time of each file, so an idle poll reads no
content at all. Sub-folders, empty files, hidden files, editors' temporary files and links that lead
out of the folder are left alone. A file counts once nobody has written to it for `settle_seconds`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from twotier.domain.clock import Clock
from twotier.domain.job import Item
from twotier.errors import WatchError
from twotier.watch.base import Around, Look, Unreadable

TEMPORARY = ("*~", "*.tmp", "*.swp", "*.part", "*.crdownload", "#*#")
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FilesWatcher:
    """A folder, and which of its files count."""

    folder: Path
    match: tuple[str, ...]
    settle_seconds: float
    item_bytes_max: int
    clock: Clock
    name: str

    @classmethod
    def of(cls, settings: Mapping[str, Any], around: Around) -> FilesWatcher:
        """The watcher of a job's `watch` settings."""
        return cls(
            folder=around.home / Path(str(settings["path"])).expanduser(),
            match=tuple(settings["match"]),
            settle_seconds=float(settings["settle_seconds"]),
            item_bytes_max=int(settings["item_bytes_max"]),
            clock=around.clock,
            name=str(settings["path"]),
        )

    @property
    def place(self) -> str:
        """The folder as it is written."""
        return f"files:{self.name}"

    async def look(self, cursor: Any) -> Look:
        """New items since `cursor`, oldest file first. Reads in a thread: disks can be slow."""
        seen = cursor if isinstance(cursor, dict) else {}
        return await asyncio.to_thread(self._look, seen)

    def _look(self, seen: Mapping[str, Any]) -> Look:
        marks: dict[str, list[int]] = {}
        items: list[Item] = []
        unreadable: list[Unreadable] = []
        for path, status in self._files():
            mark = [status.st_mtime_ns, status.st_ctime_ns, status.st_size]
            if seen.get(path.name) != mark:
                if self._still_written(status):
                    continue
                try:
                    found = self._read(path)
                except FileNotFoundError:  # taken away between listing and reading
                    continue
                except OSError as exc:
                    found = self._closed_to_us(path, mark, exc=exc)
                items += [found] if isinstance(found, Item) else []
                unreadable += [found] if isinstance(found, Unreadable) else []
            marks[path.name] = mark
        return Look(tuple(items), marks, tuple(unreadable))

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """Files that count, oldest first, so that an inbox is worked through in order."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError as exc:
            raise WatchError(f"the folder {self.folder} does not exist; create it") from exc
        except OSError as exc:
            raise WatchError(f"the folder {self.folder} cannot be read: {exc.strerror}") from exc
        found = []
        root = self.folder.resolve()
        for name in filter(self._counts, names):
            path = self.folder / name
            try:
                status = path.stat()
                inside = not path.is_symlink() or path.resolve().parent == root
            except OSError:  # a link into nowhere, or gone by now
                continue
            if stat.S_ISREG(status.st_mode) and status.st_size and inside:
                found.append((path, status))
        return iter(sorted(found, key=lambda pair: (pair[1].st_mtime_ns, pair[0].name)))

    def _counts(self, name: str) -> bool:
        if name.startswith(".") or any(fnmatchcase(name, pattern) for pattern in TEMPORARY):
            return False
        return any(fnmatchcase(name, pattern) for pattern in self.match)

    def _still_written(self, status: os.stat_result) -> bool:
        """Written to a moment ago. A time in the future says nothing, so it does not hold us up."""
        changed = max(status.st_mtime, status.st_ctime)
        return 0 <= self.clock.now().timestamp() - changed < self.settle_seconds

    def _read(self, path: Path) -> Item | Unreadable:
        """The file as an item. Only its first bytes are kept, the whole counts for the id."""
        digest = hashlib.sha256(os.fsencode(path.name) + b"\0")
        head = bytearray()
        size_bytes = 0
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                size_bytes += len(chunk)
                head += chunk[: max(0, self.item_bytes_max - len(head))]
        # A cut may fall inside a character: that one is dropped, real damage is shown as U+FFFD.
        cut = size_bytes - len(head)
        text = bytes(head).decode("utf-8", errors="replace")
        text = text.rstrip("\ufffd") if cut else text
        item = Item(digest.hexdigest(), shown(path), text, str(path), bytes_cut=cut)
        if b"\0" in head:
            return Unreadable(without_text(item), f"{shown(path)} is not a text file")
        if not text.strip():
            return Unreadable(without_text(item), f"{shown(path)} is empty")
        return item

    def _closed_to_us(self, path: Path, mark: list[int], *, exc: OSError) -> Unreadable:
        """A file that may not be read is told once, and again when it has changed."""
        digest = hashlib.sha256(os.fsencode(path.name) + b"\0" + repr(mark).encode())
        item = Item(digest.hexdigest(), shown(path), "", str(path))
        return Unreadable(item, f"{shown(path)} cannot be read: {exc.strerror}")


def shown(path: Path) -> str:
    """A file's name as valid text; names on disk may be any bytes."""
    return os.fsencode(path.name).decode("utf-8", errors="replace")


def without_text(item: Item) -> Item:
    """The item as it is remembered when there is nothing to read in it."""
    return Item(item.id, item.title, "", item.source)
