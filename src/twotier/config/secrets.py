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
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel

from twotier.config.paths import with_home
from twotier.config.values import secret_place
from twotier.errors import ConfigError

T = TypeVar("T")

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


class Named:
    """The secrets that sections of the configuration name, looked up once: those the log hides.

    One that is missing, or must not be used, is an error for who asks for it and for nobody else.
    """

    def __init__(self, sections: Iterable[BaseModel], *, home: Path) -> None:
        self._found: dict[str, str] = {}
        self._missing: dict[str, str] = {}
        for place in dict.fromkeys(place for one in sections for place in places(one)):
            try:
                if found := resolve(place, home=home):
                    self._found[place] = found
                else:
                    self._missing[place] = f"nothing lies at {place}; set it and start again"
            except ConfigError as exc:
                self._missing[place] = exc.message

    def all(self) -> list[str]:
        """Every secret there is, for the log to hide."""
        return list(self._found.values())

    def get(self, place: str) -> str:
        """The secret at a place that is named. Raises `ConfigError` where there is none."""
        if place not in self._found:
            raise ConfigError(self._missing.get(place, f"{place} is not in the configuration"))
        return self._found[place]


def places(section: BaseModel) -> Iterator[str]:
    """Every place of a secret that a section names, and the sections inside it."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if secret_place in validators(field.annotation, field.metadata):
            yield from each(value, str)
        for inside in each(value, BaseModel):
            yield from places(inside)


def validators(annotation: Any, metadata: Iterable[Any] = ()) -> Iterator[Any]:
    """The functions that check a setting, wherever in its type they stand."""
    yield from (getattr(one, "func", None) for one in metadata)
    if get_origin(annotation) is Annotated:
        yield from (getattr(one, "func", None) for one in annotation.__metadata__)
    for part in get_args(annotation):
        yield from validators(part)


def each(value: Any, kind: type[T]) -> Iterator[T]:
    """The values of a kind in a setting, in a list or in a table of them."""
    many = value.values() if isinstance(value, dict) else value
    many = many if isinstance(value, dict | tuple) else (value,)
    yield from (one for one in many if isinstance(one, kind))


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
