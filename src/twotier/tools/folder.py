"""The one folder of a job's files: every path a model names is walked from here, link by link.

Nothing is resolved by its name and opened later: each folder on the way is opened in the one before
it and never through a link, so that no link, old or new, leads out. Some names are closed wherever
they lie (keys, `.env`, `.git`), and some places whatever they are called (our own state and
configuration). It does not know what a file is for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from twotier.errors import ToolError

CLOSED_NAMES = (
    *(".env", ".env.*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.ppk", "*.age", "*.gpg", "*.asc"),
    *(".ssh", ".aws", ".azure", ".gnupg", ".kube", ".docker", ".git", ".hg", ".svn", ".twotier"),
    *(".netrc", "_netrc", ".npmrc", ".pypirc", ".pgpass", ".my.cnf", ".git-credentials"),
    *(".htpasswd", ".vault-token", "credentials", "credentials.*", "client_secret*", "*.token"),
    *("twotier.toml", ".bash_history", ".zsh_history", ".config"),
)
PARTS_MAX = 16
PATH_CHARACTERS_MAX = 500
TEMPORARY = ".twotier-new-"
FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe or a device must not hold us up before it is seen what it is.
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK

Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in the folder: its path from the root, what it is, how large."""

    path: str
    is_folder: bool
    bytes: int


@dataclass(frozen=True, slots=True)
class Folder:
    """A root, and the places that stay closed although they lie in it."""

    root: Path
    closed: tuple[Path, ...] = ()

    @contextlib.contextmanager
    def file(self, path: str) -> Iterator[int]:
        """A descriptor of a plain file, for reading. Raises `ToolError`."""
        parts = parts_of(path)
        if not parts:
            raise ToolError("the path names the folder itself; name a file in it")
        with self.opened(parts[:-1]) as folder, translated(path):
            found = os.open(parts[-1], FILE_FLAGS, dir_fd=folder)
            try:
                about = os.fstat(found)
                if not stat.S_ISREG(about.st_mode):
                    raise ToolError(f"{path} is no plain file")
                self._refuse_closed(about, path)
                yield found
            finally:
                os.close(found)

    @contextlib.contextmanager
    def opened(self, parts: tuple[str, ...], *, make: bool = False) -> Iterator[int]:
        """A descriptor of a folder below the root; `make` makes what is missing on the way."""
        path = "/".join(parts) or "."
        with translated(path):
            here = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._refuse_closed(os.fstat(here), path)
                for part in parts:
                    here = self._into(here, part, path=path, make=make)
                yield here
            finally:
                os.close(here)

    def _into(self, here: int, part: str, *, path: str, make: bool) -> int:
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, 0o777, dir_fd=here)
        below = os.open(part, FOLDER_FLAGS, dir_fd=here)
        try:
            self._refuse_closed(os.fstat(below), path)
        except BaseException:
            os.close(below)
            raise
        os.close(here)
        return below

    def entries(self, path: str, *, deep: bool) -> Iterator[Entry]:
        """What lies in a folder, in order, closed names left out; links are not followed."""
        yield from self._entries(parts_of(path), deep)

    def _entries(self, parts: tuple[str, ...], deep: bool) -> Iterator[Entry]:
        with self.opened(parts) as here:
            with os.scandir(here) as there:
                names = sorted(one.name for one in there)
            named = {name: status_of(here, name) for name in names if seen_name(name)}
        ids = self._closed_ids()
        found = [
            Entry("/".join((*parts, name)), stat.S_ISDIR(about.st_mode), about.st_size)
            for name, about in named.items()
            if about is not None and identity(about) not in ids
        ]
        for one in found:
            yield one
            if one.is_folder and deep and len(parts) < PARTS_MAX - 1:
                with contextlib.suppress(ToolError):  # gone, or closed to us
                    yield from self._entries(parts_of(one.path), deep)

    def replace(self, path: str, content: bytes) -> bool:
        """Put a file in place, whole or not at all; whether there was one. Raises `ToolError`."""
        parts = parts_of(path)
        if not parts:
            raise ToolError("the path names the folder itself; name a file in it")
        self.root.mkdir(parents=True, exist_ok=True)
        with self.opened(parts[:-1], make=True) as folder, translated(path):
            before = self._before(folder, parts[-1], path=path)
            mode = None if before is None else stat.S_IMODE(before.st_mode) & 0o777
            put(folder, parts[-1], content=content, mode=mode)
        return before is not None

    def _before(self, folder: int, name: str, *, path: str) -> os.stat_result | None:
        """What is there already, if it is a file that may be replaced."""
        try:
            about = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(about.st_mode):
            raise ToolError(f"{path} is there and is no plain file; choose another name")
        self._refuse_closed(about, path)
        return about

    def _refuse_closed(self, about: os.stat_result, path: str) -> None:
        if identity(about) in self._closed_ids():
            raise ToolError(f"{path} is closed to tools")

    def _closed_ids(self) -> frozenset[Identity]:
        """What the closed places are now; one that is not there closes nothing."""
        found = []
        for place in self.closed:
            with contextlib.suppress(OSError):
                found.append(identity(place.stat()))
        return frozenset(found)


def put(folder: int, name: str, *, content: bytes, mode: int | None) -> None:
    """Write a file beside its place and move it there; its rights are those of the old one."""
    temporary = f"{TEMPORARY}{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):  # of one that was killed
        os.unlink(temporary, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    made = os.open(temporary, flags, 0o666, dir_fd=folder)
    try:
        with os.fdopen(made, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if mode is not None:
                os.fchmod(file.fileno(), mode)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def parts_of(path: str) -> tuple[str, ...]:
    """The names on the way from the root. Raises `ToolError` for a path that leads elsewhere."""
    if path.startswith(("/", "~", "\\")) or len(path) > PATH_CHARACTERS_MAX:
        raise ToolError("paths start in the job's folder, for example notes/today.md")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if len(parts) > PARTS_MAX:
        raise ToolError(f"the path is deeper than {PARTS_MAX} folders")
    for part in parts:
        if part == "..":
            raise ToolError("paths do not go up (..); they start in the job's folder")
        if odd_name(part):
            raise ToolError("a name in the path holds characters that names do not hold here")
        if closed_name(part):
            raise ToolError(
                f"{part} is closed to tools, as all keys, settings and repositories are"
            )
    return parts


def odd_name(name: str) -> bool:
    """Control and invisible characters, of which some disks see nothing; half a pair; backslash."""
    return any(unicodedata.category(one)[0] == "C" for one in name) or "\\" in name or ":" in name


def closed_name(name: str) -> bool:
    """Whether a name is one of those that hold secrets, in any case and any width of letters."""
    plain = unicodedata.normalize("NFKC", name).casefold().rstrip(" .")
    return any(fnmatchcase(plain, pattern) for pattern in CLOSED_NAMES) or plain.startswith(
        TEMPORARY
    )


def seen_name(name: str) -> bool:
    """Whether a name is listed: one that could not be opened is not."""
    return not (odd_name(name) or closed_name(name))


def status_of(folder: int, name: str) -> os.stat_result | None:
    """What a name in an open folder is, if it is a file or a folder and not a link."""
    try:
        about = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:  # gone meanwhile
        return None
    return about if stat.S_ISDIR(about.st_mode) or stat.S_ISREG(about.st_mode) else None


def identity(about: os.stat_result) -> Identity:
    """What a file is, whatever it is called."""
    return (about.st_dev, about.st_ino)


SENTENCES = {
    errno.ENOENT: "there is no {path}; list_files shows what there is",
    errno.ELOOP: "{path} leads through a link, and links are not followed",
    errno.EMLINK: "{path} leads through a link, and links are not followed",
    errno.ENOTDIR: "{path} leads through a link or something that is no folder",
    errno.EISDIR: "{path} is a folder; name a file",
    errno.EACCES: "{path} may not be opened",
    errno.EPERM: "{path} may not be opened",
    errno.ENAMETOOLONG: "{path} is too long a name",
    errno.ENXIO: "{path} is no plain file",
}


@contextlib.contextmanager
def translated(path: str) -> Iterator[None]:
    """What the system says of a path, as a sentence."""
    try:
        yield
    except OSError as exc:
        sentence = SENTENCES.get(exc.errno or 0, "{path} cannot be used: " + str(exc.strerror))
        raise ToolError(sentence.format(path=path)) from exc
