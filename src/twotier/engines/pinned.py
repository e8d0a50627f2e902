"""Which lock an engine's environment is made from: the good one, until a person says otherwise.

twotier ships a lock for each engine, and a newer twotier may ship a newer one. The environment in
use stays what it is all the same: its lock is copied here when it is first made, and only an
upgrade or a rollback by hand changes which copy is in force. The one before is remembered, and its
environment stays on disk. One small file for each engine, replaced in one step; two mains may
share it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from twotier.errors import EngineError

FOLDER = "pins"
HASH = "--hash=sha256:"
LOCK_BYTES_MAX = 4_000_000


@dataclass(frozen=True, slots=True)
class Pins:
    """The locks of one engine, by the first digits of their hash; empty where there is none."""

    in_force: str = ""
    before: str = ""


def key(lock: Path) -> str:
    """The name of a lock's contents."""
    return hashlib.sha256(lock.read_bytes()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Pinned:
    """The pins of one engine: by the lock that is shipped for it, in the folder of environments."""

    shipped: Path
    folder: Path

    def read(self) -> Pins:
        """What is pinned now."""
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            return Pins(str(found["in_force"]), str(found["before"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return Pins()

    @property
    def in_force(self) -> Path:
        """The lock that counts: the pinned copy, or the shipped one where nothing is pinned."""
        copy = self.copy_of(self.read().in_force)
        return copy if copy.is_file() else self.shipped

    def copy_of(self, name: str) -> Path:
        """Where the copy of a lock lies, under the name that `environment` wants."""
        return self.folder / FOLDER / (name or "none") / self.shipped.name

    def hold(self) -> None:
        """The first environment was made: from now on it stays."""
        if not self.read().in_force:
            self.switch(self.shipped)

    def switch(self, lock: Path) -> None:
        """This lock is in force from now on, and what was is the one before."""
        pins, name = self.read(), key(lock)
        if name != pins.in_force:
            self.keep(lock)
            self._write(Pins(name, pins.in_force))

    def keep(self, lock: Path) -> Path:
        """Copy a lock in; nothing is in force by that. Raises `EngineError` without hashes."""
        data = lock.read_bytes()
        if len(data) > LOCK_BYTES_MAX or HASH not in data.decode(errors="replace"):
            raise EngineError(
                f"{lock} is no lock with hashes; make one with `uv pip compile --generate-hashes`"
            )
        copy = self.copy_of(key(lock))
        _lay(copy, data)
        return copy

    @property
    def earlier(self) -> Path:
        """The lock of the one before. Raises `EngineError` where there is none."""
        before = self.read().before
        copy = self.copy_of(before)
        if not before or not copy.is_file():
            raise EngineError(
                f"there is no earlier environment of {self.shipped.stem} to go back to"
            )
        return copy

    def back(self) -> Path:
        """What was before is in force again, the other one is before. Raises `EngineError`."""
        copy, pins = self.earlier, self.read()
        self._write(Pins(pins.before, pins.in_force))
        return copy

    @property
    def _file(self) -> Path:
        return self.folder / FOLDER / f"{self.shipped.stem}.json"

    def _write(self, pins: Pins) -> None:
        said = json.dumps({"in_force": pins.in_force, "before": pins.before})
        _lay(self._file, said.encode())


def _lay(path: Path, data: bytes) -> None:
    """The whole file at once. Each writer has a name of its own for it until then: two mains that
    start side by side pin the same lock in the same moment.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(fresh).replace(path)
