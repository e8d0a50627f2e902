"""Writes what a plan says and takes it back, with a record of what stood there before.

What must stay true: a kill at any moment leaves each file whole, old or new, and the record such
that `undo` brings back every byte; the bytes from before our first write are kept until then. All
texts are made before the first file is written, so that one that cannot be changed stops them all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from twotier.config.paths import make_private
from twotier.config.write import put_file
from twotier.connect.edits import Edit
from twotier.connect.plan import FileChange
from twotier.errors import ConfigError, NotFoundError

PRIVATE = 0o600
Done: TypeAlias = Literal[
    "written", "unchanged", "restored", "removed", "as it was", "cleaned", "left alone", "gone"
]


class FileRecord(msgspec.Struct, forbid_unknown_fields=True):
    """One file: what we did to it, the digests before and after, and where the old bytes lie.

    `before` is empty where there was no file; `folders` are those we made for it, outermost first.
    """

    path: str
    edit: Edit
    mode: int
    before: str
    before_digest: str
    after_digest: str
    folders: list[str]


class Record(msgspec.Struct, forbid_unknown_fields=True):
    """What is connected. `key` is the name of the client's key, empty where it needs none."""

    client: str
    at: str
    everything: bool
    key: str
    files: list[FileRecord]
    version: Literal[1] = 1


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one file; `because` is for people."""

    path: Path
    done: Done
    because: str = ""


@dataclass(frozen=True, slots=True)
class _Ready:
    """One file on its way: its record, the bytes without ours, those it has, those it gets."""

    record: FileRecord
    before: bytes | None
    now: bytes | None
    after: bytes
    mode: int


class Keeping:
    """The records of one state folder: `CLIENT.json`, and the old bytes beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def key_file(self, client: str) -> Path:
        """Where a client's key lies."""
        return self.folder / f"{client}.key"

    def read(self, client: str) -> Record | None:
        """The record of one client. Raises `ConfigError` for one that cannot be used."""
        path = self.folder / f"{client}.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Record)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, ValueError) as exc:
            raise ConfigError(f"{path} cannot be used: {exc}; restore it or move it away") from exc

    def write(self, record: Record, changes: Sequence[FileChange]) -> list[Fate]:
        """Write these files and no others of this client. `record` comes without files.

        Raises `ConfigError` where a file cannot be changed; then none is.
        """
        make_private(self.folder)
        known = self.read(record.client)
        prior = {one.path: one for one in (known.files if known else ())}
        ready = [
            self._ready(one, prior.pop(str(one.path), None), client=record.client)
            for one in changes
        ]
        fates = [self._undone(one) for one in prior.values()]
        for one in ready:
            if one.before is not None:
                put_file(self.folder / one.record.before, one.before, mode=PRIVATE)
        record.files = [one.record for one in ready]
        self._save(record)
        return [*fates, *(written(one) for one in ready)]

    def undo(self, client: str) -> tuple[Record, list[Fate]]:
        """Bring back what was there. Raises `NotFoundError` where nothing is connected."""
        record = self.read(client)
        if record is None:
            raise NotFoundError(f"{client} is not connected; `twotier connect` lists what is")
        fates = [self._undone(one) for one in reversed(record.files)]
        self.key_file(client).unlink(missing_ok=True)
        (self.folder / f"{client}.json").unlink(missing_ok=True)
        return record, fates

    def states(self, record: Record) -> Iterator[tuple[FileRecord, str]]:
        """Each file, and whether it is still as we wrote it."""
        for one in record.files:
            now = content(Path(one.path))
            if now is None:
                yield one, "gone"
            elif digest(now) == one.after_digest:
                yield one, "as written"
            else:
                yield one, "as before" if digest(now) == one.before_digest else "changed since"

    def _ready(self, change: FileChange, prior: FileRecord | None, *, client: str) -> _Ready:
        path, now = change.path, content(change.path)
        try:
            before = now if prior is None or now is None else self._base(prior, now)
            after = change.edit.put("" if before is None else before.decode()).encode()
        except (ConfigError, UnicodeDecodeError) as exc:
            raise ConfigError(f"{path}: {said_of(exc)}; nothing was written") from exc
        mode = PRIVATE if now is None else path.stat().st_mode & 0o777
        # By the path, so that no old bytes are written over while a record still names them.
        name = f"{client}.{digest(str(path).encode())[:12]}.before"
        record = FileRecord(
            path=str(path),
            edit=change.edit,
            mode=mode if prior is None else prior.mode,
            before="" if before is None else name,
            before_digest="" if before is None else digest(before),
            after_digest=digest(after),
            folders=missing(path) if prior is None else prior.folders,
        )
        return _Ready(record, before, now, after, PRIVATE if change.secret else mode)

    def _base(self, prior: FileRecord, now: bytes) -> bytes | None:
        """The bytes without ours: those from before, or, in a file changed since, what is left."""
        if digest(now) == prior.after_digest:
            return self._before(prior)
        before = self._before(prior)
        text, _ = prior.edit.take_out(now.decode(), "" if before is None else before.decode())
        return text.encode()

    def _before(self, one: FileRecord) -> bytes | None:
        return (self.folder / one.before).read_bytes() if one.before else None

    def _undone(self, one: FileRecord) -> Fate:
        """Bring one file back; its old bytes are kept only where not all of ours could go."""
        fate = self._back(one)
        if one.before and fate.done != "left alone":
            (self.folder / one.before).unlink(missing_ok=True)
        return fate

    def _back(self, one: FileRecord) -> Fate:
        path, before = Path(one.path), self._before(one)
        now = content(path)
        if now is None:
            return Fate(path, "gone", "it was removed since")
        if digest(now) == one.before_digest:
            return Fate(path, "as it was")
        if digest(now) == one.after_digest:
            return restored(one, before)
        return self._cleaned(one, now, before=before)

    def _cleaned(self, one: FileRecord, now: bytes, *, before: bytes | None) -> Fate:
        """Take ours out of a file that somebody has changed since."""
        path = Path(one.path)
        kept = f"what it was before lies in {self.folder / one.before}" if one.before else ""
        try:
            text, left = one.edit.take_out(now.decode(), (before or b"").decode())
        except (ConfigError, UnicodeDecodeError) as exc:
            said = f"changed since, and {said_of(exc)}; {kept}"
            return Fate(path, "left alone", said.rstrip("; "))
        if text.encode() != now:
            put_file(path.resolve(), text.encode(), mode=path.stat().st_mode & 0o777)
        if left:
            said = f"changed since by somebody: {', '.join(left)}"
            return Fate(path, "left alone", f"{said}; {kept}".rstrip("; "))
        return Fate(path, "cleaned", "changed since; only what twotier had put there was taken out")

    def _save(self, record: Record) -> None:
        text = msgspec.json.format(msgspec.json.encode(record), indent=2)
        put_file(self.folder / f"{record.client}.json", text + b"\n", mode=PRIVATE)


def written(one: _Ready) -> Fate:
    """Put the new bytes in place; a link to a file stays one."""
    path = Path(one.record.path)
    if one.now == one.after and path.stat().st_mode & 0o777 == one.mode:
        return Fate(path, "unchanged")
    path.parent.mkdir(parents=True, exist_ok=True)
    put_file(path.resolve(), one.after, mode=one.mode)
    return Fate(path, "written")


def restored(one: FileRecord, before: bytes | None) -> Fate:
    """The bytes and the rights from before; a file and folders that were not there go."""
    path = Path(one.path)
    if before is not None:
        put_file(path.resolve(), before, mode=one.mode)
        return Fate(path, "restored")
    path.unlink()
    for folder in reversed(one.folders):
        with suppress(OSError):  # somebody has put something else into it
            Path(folder).rmdir()
    return Fate(path, "removed")


def said_of(error: ConfigError | UnicodeDecodeError) -> str:
    """Why a file cannot be changed."""
    return error.message if isinstance(error, ConfigError) else "it is not UTF-8 text"


def content(path: Path) -> bytes | None:
    """All of a file, None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def digest(data: bytes) -> str:
    """What tells two contents apart."""
    return hashlib.sha256(data).hexdigest()


def missing(path: Path) -> list[str]:
    """The folders above it that are not there, outermost first."""
    return [str(one) for one in reversed(path.parents) if not one.exists()]
