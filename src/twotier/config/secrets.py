"""Finds a secret in the place that the configuration names.

A place is `env:NAME`, `file:PATH` (relative to the configuration's folder) or `keyring:SERVICE`.
No error raised here repeats a secret, and a key file that others may read is refused: a warning
would be read once, and the key would go on lying there.
"""

from __future__ import annotations

import importlib
import os
import shlex
import stat
from pathlib import Path
from typing import Any

from twotier.config.paths import with_home
from twotier.errors import ConfigError

KEYRING_USER = "twotier"


def resolve(place: str, *, home: Path) -> str | None:
    """The secret, or None where nothing lies there (yet).

    Raises `ConfigError` where it lies but must not be used: a key file open to others, a file that
    cannot be read, a keyring that is not installed.
    """
    kind, _, name = place.partition(":")
    if kind == "env":
        return os.environ.get(name, "").strip() or None
    if kind == "file":
        return from_file(place_of(name, home))
    if kind == "keyring":
        return from_keyring(name)
    raise ConfigError("a key's place must be env:NAME, file:PATH or keyring:SERVICE")


def from_file(path: Path) -> str | None:
    """The content of a key file, without the white space editors leave at its end."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise ConfigError(
                f"{path} can be read by others (mode {mode:04o}); run `chmod 600 {path}`"
            )
        return path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        # Without `from`: the decoder's error carries the file's bytes.
        raise ConfigError(f"{path} is not a text file; it must hold the key alone") from None
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}; see `ls -l {path}`") from exc


def from_keyring(service: str) -> str | None:
    """The password stored for `service` and the user `twotier` in the system's keyring."""
    try:
        keyring: Any = importlib.import_module("keyring")
        errors: Any = importlib.import_module("keyring.errors")
    except ImportError as exc:
        raise ConfigError(
            f"keyring:{service} needs the keyring package; run `pip install 'twotier[keyring]'`"
        ) from exc
    try:
        found: str | None = keyring.get_password(service, KEYRING_USER)
    except errors.KeyringError as exc:
        raise ConfigError(
            f"the system keyring cannot be read ({type(exc).__name__});"
            " unlock it, or use env:NAME or file:PATH"
        ) from exc
    return found or None


def how_to_set(place: str, *, home: Path) -> str:
    """The command that puts a secret into its place, for messages. Never shows a value."""
    kind, _, name = place.partition(":")
    if kind == "env":
        return f"export {name}=..."
    if kind == "keyring":
        return f"keyring set {name} {KEYRING_USER}"
    return f"(umask 077; cat > {shlex.quote(str(place_of(name, home)))})"


def place_of(name: str, home: Path) -> Path:
    """The file of `file:NAME`, from wherever a person stands."""
    return (home / with_home(name)).resolve()
