"""One file per job: `jobs/*.toml` beside the configuration, each the settings of one `[[jobs]]`.

A job of its own file can be copied, reviewed and taken away without touching the rest. Its name is
the file's unless it says another one. What is wrong with such a job is told with its file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twotier.errors import NOT_READABLE, ConfigError

FOLDER = "jobs"
FILES_MAX = 1_000
PLACE = re.compile(r"^jobs\.(\d+)(?:\.|: )")


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file and the table in it."""

    path: Path
    table: dict[str, Any]


def job_files(home: Path) -> list[JobFile]:
    """The jobs that have files of their own, by name of the file. Raises `ConfigError`."""
    paths = sorted((home / FOLDER).glob("*.toml"))
    if len(paths) > FILES_MAX:
        raise ConfigError(f"{home / FOLDER} holds more than {FILES_MAX} files; move some elsewhere")
    return [JobFile(path, {"name": path.stem} | table_of(path)) for path in paths]


def table_of(path: Path) -> dict[str, Any]:
    """The settings in a file. Raises `ConfigError`."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from exc
    except NOT_READABLE as exc:
        raise ConfigError(f"{path} is not valid TOML: {exc}") from exc
    if "jobs" in table:
        raise ConfigError(
            f"{path} holds one job: write its settings without [[jobs]], and [watch] in place of"
            " [jobs.watch]"
        )
    return table


def with_files(raw: dict[str, Any], files: Sequence[JobFile]) -> dict[str, Any]:
    """The configuration with the jobs of these files behind its own."""
    if not files or not isinstance(raw.get("jobs", []), list):
        return raw
    return raw | {"jobs": [*raw.get("jobs", []), *(file.table for file in files)]}


def placed(line: str, files: Sequence[JobFile], *, inline: int) -> str:
    """A problem's line, with the file in place of its job's number where it has one. `inline` is
    how many jobs stand in the configuration itself.
    """
    match = PLACE.match(line)
    number = int(match[1]) - inline if match else -1
    if match is None or not 0 <= number < len(files):
        return line
    return f"{files[number].path}: {line[match.end() :]}"
