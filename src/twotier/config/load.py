"""Reads the configuration file, and explains what is wrong with it.

Relative paths inside the file are relative to its folder, so a folder can be moved as a whole.
Where the file is found is told by `paths`.
"""

from __future__ import annotations

import difflib
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from twotier.config.job_files import JobFile, job_files, placed, with_files
from twotier.config.paths import Paths, with_home
from twotier.config.schema import Config
from twotier.errors import NOT_READABLE, ConfigError


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
    """Read and check a file, and the jobs in files beside it. Raises `ConfigError` with the path of
    each wrong key.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise ConfigError(f"no configuration at {path}; `twotier up` writes one") from exc
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc
    except NOT_READABLE as exc:  # bytes that are no text, endless numbers, too deep
        raise ConfigError(f"{path} is not valid TOML: {exc}") from exc
    return Loaded(check(raw, str(path), files=job_files(path.parent)), path)


def check_text(text: str, path: Path, *, more: Sequence[JobFile] = ()) -> Config:
    """The typed configuration of a text that is not in its file yet, with the jobs in files beside
    it and `more` of them. Raises `ConfigError`.
    """
    try:
        raw = tomllib.loads(text)
    except NOT_READABLE as exc:
        raise ConfigError(f"{path} would not be valid TOML: {exc}; change it by hand") from exc
    return check(raw, str(path), files=[*job_files(path.parent), *more])


def check(raw: dict[str, Any], source: str, *, files: Sequence[JobFile] = ()) -> Config:
    """The typed configuration of plain values and of jobs in files; `source` is named in errors."""
    try:
        return Config.model_validate(with_files(raw, files))
    except ValidationError as exc:
        # A default error would print the input, and the input may be a key somebody pasted in.
        errors = exc.errors(include_input=False, include_url=False)
        inline = len(with_files(raw, files).get("jobs", [])) - len(files) if files else 0
        problems = [
            placed(line, files, inline=inline) for error in errors for line in explain(error)
        ]
        raise ConfigError(f"{source}:\n" + "\n".join(f"  {line}" for line in problems)) from None


def explain(error: ErrorDetails) -> list[str]:
    """One problem in one line: where, what, and the nearest name that would be right.

    A section whose settings do not fit together tells all of it in one error, a line for each.
    """
    loc = tuple(part for part in error["loc"] if part != "[key]")  # pydantic's word for a name
    where = ".".join(str(part) for part in written(loc))
    if error["type"] == "extra_forbidden":
        hint = nearest(str(loc[-1]), keys_at(loc[:-1]))
        return [f"{where}: unknown key{hint}"]
    if error["type"] == "union_tag_invalid":
        # The tag is not repeated unless it is near: anything may have been pasted there.
        told = error["ctx"]
        tags = [tag.strip(" '") for tag in str(told["expected_tags"]).split(",")]
        name = tag_name(told)
        return [f"{where}.{name}: unknown {name}{nearest(str(told['tag']), tags)}"]
    if error["type"] == "union_tag_not_found":
        kinds = ", ".join(kinds_at(loc))
        return [f"{where}.{tag_name(error['ctx'])}: is needed; there are: {kinds}"]
    if error["type"] == "missing":
        return [f"{where}: is needed"]
    lines = error["msg"].removeprefix("Value error, ").splitlines()
    return [f"{where}: {line}" if where else line for line in lines]


def nearest(name: str, known: Sequence[str]) -> str:
    """The end of a message about an unknown name."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known) or 'none'}"


def tag_name(told: Mapping[str, Any]) -> str:
    """The setting that says which kind a section is."""
    return str(told["discriminator"]).strip("'")


def keys_at(loc: Sequence[int | str]) -> list[str]:
    """The keys that the section at this path of an error knows."""
    sections, _ = walk(loc)
    return list(sections[0].model_fields) if len(sections) == 1 else []


def kinds_at(loc: Sequence[int | str]) -> list[str]:
    """The kinds that the section at this path of an error may be."""
    return [kind for section in walk(loc)[0] for kind in kinds_of(section)]


def written(loc: Sequence[int | str]) -> list[int | str]:
    """The path of an error as it stands in the file: pydantic adds the kind of a section."""
    return walk(loc)[1]


def walk(loc: Sequence[int | str]) -> tuple[list[type[BaseModel]], list[int | str]]:
    """The sections that may stand at the path of an error, and that path as it is in the file."""
    sections: list[type[BaseModel]] = [Config]
    shown: list[int | str] = []
    inside_container = False
    for part in loc:
        if inside_container:  # the part is an index or a tier's name: same section
            inside_container = False
        elif len(sections) > 1:  # the part is the kind, which says which of them it is
            sections = [one for one in sections if part in kinds_of(one)]
            continue
        else:
            field = sections[0].model_fields.get(str(part)) if sections else None
            annotation = field.annotation if field else None
            inside_container = typing.get_origin(annotation) in (dict, tuple)
            sections = sections_of(annotation)
        shown.append(part)
    return sections, shown


def kinds_of(section: type[BaseModel]) -> tuple[Any, ...]:
    """What `kind` may say in this section."""
    field = section.model_fields.get("kind")
    return typing.get_args(field.annotation) if field else ()


def sections_of(annotation: Any) -> list[type[BaseModel]]:
    """The sections inside `Section | None`, `tuple[Section, ...]`, `A | B` or `dict[str, A]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    parts = typing.get_args(annotation)
    return [found for argument in parts for found in sections_of(argument)]
