"""Where each setting in force comes from: the file, a job's own file, or nobody said it.

What is shown is what `twotier config show` shows: places of secrets and never a secret, addresses
without password and token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from twotier.config.job_files import FOLDER, job_files
from twotier.config.load import Loaded
from twotier.domain.urls import without_secrets

DEFAULT = "default"
JOB = re.compile(r"jobs\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in force. `path` as the file would say it, `value` plain; `origin` is a file's
    name, or `default`.
    """

    path: str
    value: Any
    origin: str

    @property
    def said(self) -> bool:
        """Whether somebody wrote it down."""
        return self.origin != DEFAULT


def settings(loaded: Loaded) -> Iterator[Setting]:
    """Every setting that has a value, in the order of the schema. Raises `ConfigError`."""
    said = frozenset(set_in(loaded.config))
    files = job_files(loaded.home)
    inline = len(loaded.config.jobs) - len(files)
    for path, value in flat(without_secrets(loaded.config.dump())):
        origin = loaded.path.name if covered(path, said) else DEFAULT
        job = JOB.match(path)
        if origin != DEFAULT and job and int(job[1]) >= inline:
            origin = f"{FOLDER}/{files[int(job[1]) - inline].path.name}"
        yield Setting(path, value, origin)


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its path, `path.to.key`; what is not set is left out."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for number, inner in enumerate(value):
            yield from flat(inner, f"{path}[{number}]")
    elif value is not None:
        yield path, value


def set_in(section: BaseModel, path: str = "") -> Iterator[str]:
    """The paths that were written down: of a section those of its settings, else the whole."""
    for name in sorted(section.model_fields_set):
        inner, value = f"{path}.{name}" if path else name, getattr(section, name)
        inside = [*parts(value)]
        for key, part in inside:
            yield from set_in(part, inner + key)
        if not inside:
            yield inner


def parts(value: Any) -> Iterator[tuple[str, BaseModel]]:
    """The sections in a setting, each with the end of its path."""
    if isinstance(value, BaseModel):
        yield "", value
    elif isinstance(value, Mapping):
        yield from ((f".{key}", one) for key, one in value.items() if isinstance(one, BaseModel))
    elif isinstance(value, tuple):
        numbered = enumerate(value)
        yield from ((f"[{n}]", one) for n, one in numbered if isinstance(one, BaseModel))


def covered(path: str, said: frozenset[str]) -> bool:
    """Whether the setting, or a table that holds it as a plain value, was written down."""
    while path not in said:
        shorter = max(path.rfind("."), path.rfind("["))
        if shorter <= 0:
            return False
        path = path[:shorter]
    return True
