"""Where things lie. Standard library only, because every command of the CLI needs it.

The configuration is the first of: an explicit path, `$TWOTIER_CONFIG`, `./twotier.toml`,
`~/twotier/twotier.toml`. The state folder beside it holds databases, logs, sockets and the
gateway's own keys, readable by the owner alone. What can be fetched again (models, engine
environments) lies in the user's cache and is shared by all configurations.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path

from twotier.copies.contents import RESTORING
from twotier.errors import NOT_READABLE, ConfigError

NAME = "twotier.toml"
STATE_DEFAULT = ".twotier"

# For sockets whose own folder's path is too long. Every shell finds it: what `$TMPDIR` or
# `$XDG_RUNTIME_DIR` say differs between a desktop, ssh and cron.
SHORT_FOLDER = Path("/tmp")  # noqa: S108 - `make_trusted` looks who made what is there

# The address of a Unix socket is at most 103 bytes on macOS and 107 on Linux.
SOCKET_PATH_BYTES_MAX = 100


@dataclass(frozen=True, slots=True)
class Paths:
    """Every file of one state folder."""

    state: Path

    @property
    def lock(self) -> Path:
        """Held by the one main process of this folder; holds its pid."""
        return self.state / "main.lock"

    @property
    def worker_lock(self) -> Path:
        """Held by the one worker process of this folder."""
        return self.state / "worker.lock"

    @property
    def main_socket(self) -> Path:
        """Where main answers the worker and the command line."""
        return self._socket("main.sock")

    @property
    def worker_socket(self) -> Path:
        """Where the worker answers the command line."""
        return self._socket("worker.sock")

    @property
    def batches(self) -> Path:
        """Answers of batches that nobody has fetched yet; for a day."""
        return self.state / "batches.db"

    @property
    def ledger(self) -> Path:
        """Written by main alone."""
        return self.state / "ledger.db"

    @property
    def answers(self) -> Path:
        """Written by main alone: finished answers that may be asked for again."""
        return self.state / "answers.db"

    @property
    def memory(self) -> Path:
        """Written by main alone: what models were predicted to need, and what they did."""
        return self.state / "memory.json"

    @property
    def memory_course(self) -> Path:
        """Written by main alone: how full memory was, for a week."""
        return self.state / "memory-course.json"

    @property
    def prices(self) -> Path:
        """Written by `twotier prices update`: the public list as it was fetched last."""
        return self.state / "prices.json"

    @property
    def work(self) -> Path:
        """Written by the worker alone."""
        return self.state / "work.db"

    @property
    def artifacts(self) -> Path:
        """Long results of tools: a folder for each run that has any."""
        return self.state / "artifacts"

    @property
    def approve_key(self) -> Path:
        """What links to approvals are signed with; mode 0600."""
        return self.state / "approve.key"

    @property
    def worker_name(self) -> Path:
        """Which worker this one is, where several share a database."""
        return self.state / "worker.id"

    @property
    def engine(self) -> Path:
        """Written by the worker alone: the steps of runs."""
        return self.state / "engine.db"

    @property
    def client_key(self) -> Path:
        """The token that clients of the gateway send; mode 0600."""
        return self.state / "client.key"

    @property
    def key_file(self) -> Path:
        """The digests of the clients' named keys, and what each may do; mode 0600."""
        return self.state / "keys.json"

    @property
    def sessions(self) -> Path:
        """Written by main alone: digests of who is logged in to the dashboard; mode 0600."""
        return self.state / "sessions.json"

    @property
    def connect(self) -> Path:
        """Written by `twotier connect`: the clients' keys, and their settings from before."""
        return self.state / "connect"

    @property
    def logs(self) -> Path:
        """Log files of main, worker and engines."""
        return self.state / "logs"

    @property
    def engines(self) -> Path:
        """One record per kept server: pid, start time, port."""
        return self.state / "engines"

    def make(self) -> None:
        """Create the folders, for the owner alone. Raises `ConfigError` for somebody else's, and
        for one that is only half of what a restore was to make of it.
        """
        if (self.state / f"{RESTORING}.json").exists():
            raise ConfigError(
                f"{self.state} is half restored; say the same `twotier restore FILE` again, which"
                " goes on from where it was"
            )
        for folder in (self.state, self.logs, self.engines):
            make_private(folder)
        if self.main_socket.parent != self.state:
            make_trusted(self.main_socket.parent)

    def _socket(self, name: str) -> Path:
        """In the state folder, or in a short folder of our own where that path is too long."""
        path = self.state / name
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
            return path
        import hashlib  # only here: rare, and a third of what `twotier status` would load

        digest = hashlib.sha256(os.fsencode(self.state)).hexdigest()[:12]
        return SHORT_FOLDER / f"twotier-{os.getuid()}-{digest}" / name


def make_private(folder: Path) -> None:
    """A folder of ours that only we can open; one that was left open to others is closed."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.stat()
    if found.st_uid != os.getuid():
        raise ConfigError(
            f"{folder} belongs to another user (id {found.st_uid}); set `state` to a folder of"
            " your own"
        )
    if found.st_mode & 0o077:
        folder.chmod(0o700)


def make_trusted(folder: Path) -> None:
    """A folder of ours in a place where everybody may write, such as the temp folder.

    Whoever was there first may have laid a trap: nothing that exists is mended, only accepted
    or refused.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(parents=True, mode=0o700)
    found = folder.lstat()
    ours = found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700
    if not (stat.S_ISDIR(found.st_mode) and ours):
        raise ConfigError(
            f"{folder} is not a folder of yours alone (mode 0700), so no socket is put there;"
            " remove it, or set `state` to a shorter path"
        )


def with_home(path: str) -> Path:
    """The path with `~` put in. Raises `ConfigError` for the home of nobody."""
    try:
        return Path(path).expanduser()
    except RuntimeError as exc:
        raise ConfigError(f"{path!r} names a user that there is not; write the whole path") from exc


def find(explicit: str | None = None) -> Path:
    """Where the configuration is, or would be written. Does not read it. Raises `ConfigError`."""
    if named := explicit or os.environ.get("TWOTIER_CONFIG"):
        return with_home(named).absolute()
    here = Path.cwd() / NAME
    return here if here.exists() else Path.home() / "twotier" / NAME


def paths_of(config: Path) -> Paths:
    """The state folder of a configuration file, without checking the rest of the file."""
    try:
        raw = tomllib.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raw = {}
    except (OSError, *NOT_READABLE) as exc:
        raise ConfigError(f"{config} cannot be read: {exc}") from exc
    state = str(raw.get("state", STATE_DEFAULT))
    try:
        return Paths((config.parent / with_home(state)).resolve())
    except ValueError as exc:  # a NUL in it
        raise ConfigError(f"{config}: state: {state!r} is no path: {exc}") from exc


def cache() -> Path:
    """Models and engine environments; `$TWOTIER_CACHE`, else the user's cache folder."""
    if named := os.environ.get("TWOTIER_CACHE"):
        return Path(named).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "twotier"


def models() -> Path:
    """Where fetched models lie, and where a person may put model files of their own."""
    return cache() / "models"


def environments() -> Path:
    """Where the engines' own environments lie."""
    return cache() / "engines"


def hub() -> Path:
    """The Hugging Face cache, by its own rules; other programs fetch models into it."""
    if named := os.environ.get("HF_HUB_CACHE"):
        return Path(named).expanduser()
    home = os.environ.get("HF_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".cache" / "huggingface") / "hub"


def ollama() -> Path:
    """Ollama's store of models, by its own rule."""
    named = os.environ.get("OLLAMA_MODELS")
    return Path(named).expanduser() if named else Path.home() / ".ollama" / "models"


def lmstudio() -> Path:
    """LM Studio's folder of models; an older one lay in the cache."""
    older = Path.home() / ".cache" / "lm-studio" / "models"
    return older if older.is_dir() else Path.home() / ".lmstudio" / "models"
