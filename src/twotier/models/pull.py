"""Fetches a model from the hub into the hub's own cache, where other programs find it too.

A file grows under `blobs/DIGEST.incomplete` and goes on from there after a break; it gets its name
only once its hash is the one the hub told. The link in `snapshots/COMMIT` comes last for each file,
and `refs/main` after all of them, so what is named is whole. Nothing is asked here: whoever calls
has shown size, licence and disk before.
"""

from __future__ import annotations

import errno
import fcntl
import fnmatch
import hashlib
import http.client
import os
import re
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from twotier.errors import EngineError
from twotier.models.hub import Hub, HubFile, Repo
from twotier.models.safetensors import FILES

PIECE_BYTES = 1024 * 1024
TRIES_MAX = 5
QUANTISATION_USUAL = "Q4_K_M"
# What no second try mends: a full disk, a folder that cannot be written.
HOPELESS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENOENT, errno.EISDIR}
)
PART = re.compile(r"-\d{5}-of-\d{5}$")
# Of a repository in the format of MLX and transformers: weights, settings, tokenizer, template.
WANTED = (FILES, "*.json", "*.txt", "*.jinja", "*.model", "*.tiktoken")


class Progress(Protocol):
    """Hears how far it is."""

    def __call__(self, file: str, done_bytes: int, *, total_bytes: int) -> None:
        """Of this file so many bytes are here."""
        ...


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be fetched, and where it will lie. `choices`: other quantisations there are."""

    repo: Repo
    files: tuple[HubFile, ...]
    engine: str
    choices: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """All of it."""
        return sum(file.size_bytes for file in self.files)

    def folder(self, cache: Path) -> Path:
        """The repository's folder in the hub's cache."""
        return cache / f"models--{self.repo.name.replace('/', '--')}"

    def path(self, cache: Path) -> Path:
        """Where an engine will find it: the snapshot, or in it the first GGUF file."""
        snapshot = self.folder(cache) / "snapshots" / self.repo.commit
        return snapshot / self.files[0].name if self.engine == "llama_cpp" else snapshot

    def missing_bytes(self, cache: Path) -> int:
        """What is not here yet; parts of files that are here count."""
        return sum(file.size_bytes - _held(self.folder(cache), file) for file in self.files)


def order(repo: Repo, wanted: str) -> Order:
    """Which files: for GGUF one quantisation. Raises `EngineError` where nothing fits the wish."""
    groups: dict[str, list[HubFile]] = {}
    for file in sorted(repo.files, key=lambda one: one.name):
        if file.name.endswith(".gguf") and "mmproj" not in file.name.lower():
            groups.setdefault(PART.sub("", file.name.removesuffix(".gguf")), []).append(file)
    if groups:
        return _gguf(repo, groups, wanted=wanted)
    files = [
        file
        for file in repo.files
        if "/" not in file.name and any(fnmatch.fnmatch(file.name, form) for form in WANTED)
    ]
    if not any(file.name.endswith(".safetensors") for file in files):
        raise EngineError(
            f"{repo.name} has neither *.safetensors nor GGUF files: no engine reads it"
        )
    return Order(repo, tuple(files), "mlx_lm")


def _gguf(repo: Repo, groups: dict[str, list[HubFile]], *, wanted: str) -> Order:
    names = tuple(groups)
    asked = (wanted or QUANTISATION_USUAL).lower().removesuffix(".gguf")
    matching = [name for name in names if name.lower() == asked]
    matching = matching or [name for name in names if _marked(name, asked)]
    if not matching and (wanted or len(names) > 1):
        there = ", ".join(names)[:600]
        raise EngineError(f"{repo.name} has no {wanted or asked}; name one: {there}")
    chosen = (matching or list(names))[0]
    return Order(repo, tuple(groups[chosen]), "llama_cpp", names)


def _marked(name: str, mark: str) -> bool:
    """The quantisation as a word of the name: `Q4_K` is not in `...-Q4_K_M`."""
    return re.search(rf"(?<![a-z0-9_]){re.escape(mark)}(?![a-z0-9_])", name.lower()) is not None


def _held(folder: Path, file: HubFile) -> int:
    blob = folder / "blobs" / file.digest
    for path in (blob, _incomplete(blob)):
        if path.is_file():
            return min(path.stat().st_size, file.size_bytes)
    return 0


def _incomplete(blob: Path) -> Path:
    return blob.with_name(f"{blob.name}.incomplete")


@dataclass(frozen=True, slots=True)
class Pull:
    """Fetches. `wait` is called between tries with how often it failed."""

    hub: Hub
    cache: Path
    progress: Progress
    wait: Callable[[int], None]

    def run(self, wanted: Order) -> Path:
        """All files, then the name. Raises `EngineError`; what is here stays for the next time."""
        folder = wanted.folder(self.cache)
        snapshot = folder / "snapshots" / wanted.repo.commit
        (folder / "blobs").mkdir(parents=True, exist_ok=True)
        for file in wanted.files:
            blob = folder / "blobs" / file.digest
            if not blob.is_file():
                self._fetch(wanted.repo, file, blob=blob)
            self.progress(file.name, file.size_bytes, total_bytes=file.size_bytes)
            _link(snapshot / file.name, blob)
        refs = folder / "refs"
        refs.mkdir(exist_ok=True)
        fresh = refs / ".main.new"
        fresh.write_text(wanted.repo.commit, encoding="ascii")
        fresh.replace(refs / "main")
        return wanted.path(self.cache)

    def _fetch(self, repo: Repo, file: HubFile, *, blob: Path) -> None:
        half = _incomplete(blob)
        for attempt in range(1, TRIES_MAX + 1):
            try:
                self._go_on(repo, file, blob=blob)
                return
            except (OSError, http.client.HTTPException, EngineError) as exc:
                if isinstance(exc, EngineError) and not passing(exc):
                    raise
                if attempt == TRIES_MAX or getattr(exc, "errno", None) in HOPELESS:
                    raise EngineError(
                        f"{file.name} broke off at {_size(half)} of {file.size_bytes} bytes: {exc};"
                        " the same command goes on from there"
                    ) from exc
                self.wait(attempt)

    def _go_on(self, repo: Repo, file: HubFile, *, blob: Path) -> None:
        """From where it stopped to its name. Raises `OSError` where the connection breaks.

        The lock is held until then: what another one fetches takes minutes to be looked at.
        """
        half = _incomplete(blob)
        with half.open("ab") as out:
            _alone(out, file)
            if blob.is_file():  # another one was faster
                half.unlink(missing_ok=True)
                return
            if _size(half) < file.size_bytes:
                self._append(repo, file, out=out)
            _check(half, file)
            half.replace(blob)

    def _append(self, repo: Repo, file: HubFile, *, out: BinaryIO) -> None:
        have = os.fstat(out.fileno()).st_size
        with self.hub.open(repo, file, begin=have) as answer:
            while piece := answer.read(PIECE_BYTES):
                out.write(piece)
                have += len(piece)
                if have > file.size_bytes:
                    break  # its hash will say what it is
                self.progress(file.name, have, total_bytes=file.size_bytes)
        out.flush()
        if have < file.size_bytes:
            raise ConnectionError("the hub closed the connection")


def passing(exc: EngineError) -> bool:
    """Whether the hub may answer the next time: it was not reached, or said that it is unwell."""
    cause = exc.__cause__
    if isinstance(cause, urllib.error.HTTPError):
        return cause.code >= http.client.INTERNAL_SERVER_ERROR
    return isinstance(cause, OSError | http.client.HTTPException)


def _alone(out: BinaryIO, file: HubFile) -> None:
    """One writer of a half file; its lock goes with its process. Raises `EngineError`."""
    try:
        fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise EngineError(f"another process is fetching {file.name}; wait for it") from exc


def _check(half: Path, file: HubFile) -> None:
    """Throw away what is not the file. Raises `EngineError`."""
    found = _digest(half, file)
    if found != file.digest:
        half.unlink()
        raise EngineError(
            f"{file.name} is not what the hub promised (its hash is {found}, not"
            f" {file.digest}): thrown away; fetch it again"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _digest(path: Path, file: HubFile) -> str:
    """Its SHA-256, or git's id for a small file."""
    head = b"blob %d\0" % path.stat().st_size
    seen = hashlib.sha256() if file.large else hashlib.sha1(head, usedforsecurity=False)
    with path.open("rb") as data:
        return hashlib.file_digest(data, lambda: seen).hexdigest()


def _link(name: Path, blob: Path) -> None:
    """The name in the snapshot: a relative link to the blob, as the hub's own client makes it."""
    name.parent.mkdir(parents=True, exist_ok=True)
    if name.is_symlink() or name.exists():
        return
    name.symlink_to(os.path.relpath(blob, name.parent))
