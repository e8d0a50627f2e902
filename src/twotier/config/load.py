"""Reads the configuration file, and explains what is wrong with it.

Relative paths inside the file are relative to its folder, so a folder can be moved as a whole.
Where the file is found is told by `paths`.
"""

from __future__ import annotations

import difflib
import tomllib
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from twotier.config.paths import Paths, with_home
from twotier.config.schema import Config
from twotier.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and the file it came from."""

    config: Config
    path: Path

    @property
    def home(self) -> Path:
        """The folder that relative paths start from."""
        return self.path.parent

    @property
    def paths(self) -> Paths:
        """Where everything lies that the program itself writes."""
        return Paths(self.resolve(self.config.state))

    def resolve(self, path: str) -> Path:
        """A path of the file, absolute; `~` is the user's home. Raises `ConfigError`."""
        return (self.home / with_home(path)).resolve()


def load(path: Path) -> Loaded:
    """Read and check a file. Raises `ConfigError` with the path of each wrong key."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ConfigError(f"no configuration at {path}; `twotier up` writes one") from exc
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:  # also bytes that are no text, and numbers of thousands of digits
        raise ConfigError(f"{path} is not valid TOML: {exc}") from exc
    return Loaded(check(raw, str(path)), path)


def check_text(text: str, source: str) -> Config:
    """The typed configuration of a text that is not in a file yet. Raises `ConfigError`."""
    try:
        return check(tomllib.loads(text), source)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{source} would not be valid TOML: {exc}; change it by hand") from exc


def check(raw: dict[str, Any], source: str) -> Config:
    """The typed configuration of plain values; `source` is named in errors."""
    try:
        return Config.model_validate(raw)
    except ValidationError as exc:
        # A default error would print the input, and the input may be a key somebody pasted in.
        errors = exc.errors(include_input=False, include_url=False)
        problems = [line for error in errors for line in explain(error)]
        raise ConfigError(f"{source}:\n" + "\n".join(f"  {line}" for line in problems)) from None


def explain(error: ErrorDetails) -> list[str]:
    """One problem in one line: where, what, and the nearest name that would be right.

    A section whose settings do not fit together tells all of it in one error, a line for each.
    """
    loc = tuple(part for part in error["loc"] if part != "[key]")  # pydantic's word for a name
    where = ".".join(str(part) for part in loc)
    if error["type"] == "extra_forbidden":
        *parents, key = loc
        near = difflib.get_close_matches(str(key), keys_at(tuple(parents)), n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known: {known_at(tuple(parents))}"
        return [f"{where}: unknown key{hint}"]
    if error["type"] == "missing":
        return [f"{where}: is needed"]
    lines = error["msg"].removeprefix("Value error, ").splitlines()
    return [f"{where}: {line}" if where else line for line in lines]


def known_at(parents: tuple[int | str, ...]) -> str:
    """The keys of a section, for an error message."""
    return ", ".join(keys_at(parents)) or "none"


def keys_at(parents: tuple[int | str, ...]) -> list[str]:
    """The keys that the section at this path knows."""
    model: Any = Config
    inside_container = False
    for part in parents:
        if inside_container:  # the part is an index or a tier's name: same section
            inside_container = False
            continue
        field = model.model_fields.get(str(part))
        if field is None:
            return []
        inside_container = typing.get_origin(field.annotation) in (dict, tuple)
        model = section_of(field.annotation)
        if model is None:
            return []
    return list(model.model_fields)


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section inside `Section | None`, `tuple[Section, ...]` or `dict[str, Section]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    sections = (section_of(argument) for argument in typing.get_args(annotation))
    return next((found for found in sections if found), None)
