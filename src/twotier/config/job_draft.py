"""A job that is not in the configuration yet: checked together with all there is, then written.

It becomes a file of its own below `jobs/`. Nothing is written before the whole is right with it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from twotier.config.edit import put
from twotier.config.job_files import FOLDER, JobFile
from twotier.config.load import Loaded, check_text
from twotier.config.template import Template, filled, settings
from twotier.config.work import JobConfig
from twotier.config.write import put_file, rewrite
from twotier.errors import UsageError


@dataclass(frozen=True, slots=True)
class Draft:
    """The job, the text of its file, and the text of the main file that goes with it. `loaded` is
    the configuration as it will be.
    """

    job: JobConfig
    path: Path
    text: str
    main_text: str
    loaded: Loaded

    @property
    def name(self) -> str:
        """The job's."""
        return self.job.name


def set_already(loaded: Loaded) -> set[str]:
    """The settings that the main file has, as SECTION.KEY."""
    return set(flat(tomllib.loads(loaded.path.read_text(encoding="utf-8"))))


def flat(table: Mapping[str, object], above: str = "") -> Iterator[str]:
    """The names of all settings below a table."""
    for key, value in table.items():
        yield f"{above}{key}"
        if isinstance(value, dict):
            yield from flat(value, f"{above}{key}.")


def drafted(loaded: Loaded, template: Template, *, answers: Mapping[str, str], name: str) -> Draft:
    """The job, checked together with all there is. Raises `UsageError` and `ConfigError`."""
    path = loaded.home / FOLDER / f"{name}.toml"
    if path.exists() or any(job.name == name for job in loaded.config.jobs):
        raise UsageError(f"there is a job {name!r} already; give another one with --name")
    text = filled(template, answers, name=name)
    main_text = loaded.path.read_text(encoding="utf-8")
    there = set_already(loaded)
    for (section, key), value in settings(template, answers, set_already=there).items():
        main_text = put(main_text, section, key=key, to=value)
    own = JobFile(path, {"name": name} | tomllib.loads(text))
    config = check_text(main_text, loaded.path, more=[own])
    job = next(job for job in config.jobs if job.name == name)
    return Draft(job, path, text, main_text, Loaded(config, loaded.path))


def written(draft: Draft) -> None:
    """The job's file first: the main file may name what only it needs, never the other way."""
    draft.path.parent.mkdir(exist_ok=True)
    put_file(draft.path, draft.text.encode())
    if draft.main_text != draft.loaded.path.read_text(encoding="utf-8"):
        rewrite(draft.loaded.path, draft.main_text)
