"""Where the text of a job stands, and how another one takes its place: checked as a whole first."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from twotier.config.job_files import JobFile, job_files
from twotier.config.job_text import job_in, shown, with_job
from twotier.config.load import Loaded, check, check_text, load
from twotier.config.write import rewrite
from twotier.errors import NOT_READABLE, ConfigError, NotFoundError


@dataclass(frozen=True, slots=True)
class JobPlace:
    """A job's text and its file; `own`: the file holds nothing else."""

    name: str
    config: Path
    path: Path
    own: bool

    @property
    def text(self) -> str:
        """As it stands there now."""
        whole = self.path.read_text(encoding="utf-8")
        return whole if self.own else job_in(whole, self.name)

    def put(self, text: str) -> None:
        """Another text in its place. Raises `ConfigError` where the whole would not be right."""
        rewrite(self.path, self.checked(text))

    def checked(self, text: str) -> str:
        """What its file would be with another text in its place. Raises `ConfigError` where the
        whole would not be right, or the text is not that of this one job.
        """
        if wrong := not_this_job(text, self.name, own=self.own):
            raise ConfigError(f"{self.path} is left as it is: {wrong}")
        if self.own:
            check_file(self.config, self.path, text=text)
            return text
        whole = with_job(self.path.read_text(encoding="utf-8"), self.name, job=text)
        check_text(whole, self.path)
        return whole


def not_this_job(text: str, name: str, *, own: bool) -> str:
    """Why a text cannot take the place of a job's, empty where it can, or is no TOML at all: then
    the check of the whole says more.
    """
    try:
        table = tomllib.loads(text)
    except NOT_READABLE:
        return ""
    jobs = [{"name": name, **table}] if own else table.get("jobs")
    alone = own or set(table) == {"jobs"}
    if not (alone and isinstance(jobs, list) and len(jobs) == 1 and isinstance(jobs[0], dict)):
        return "the text must be this one [[jobs]] and nothing else"
    if jobs[0].get("name") != name:
        return f"its name must stay {name!r}, because its past goes by it; copy the job instead"
    return ""


def check_file(config: Path, path: Path, *, text: str) -> None:
    """The whole configuration with this text in a job's own file. Raises `ConfigError`."""
    try:
        table = {"name": path.stem} | tomllib.loads(text)
    except NOT_READABLE as exc:
        raise ConfigError(f"{path} would not be valid TOML: {exc}; change it by hand") from exc
    raw = tomllib.loads(config.read_text(encoding="utf-8"))
    others = [one for one in job_files(config.parent) if one.path != path]
    check(raw, str(config), files=[*others, JobFile(path, table)])


def places(loaded: Loaded) -> list[JobPlace]:
    """Every job's place."""
    own = {str(one.table["name"]): one.path for one in job_files(loaded.home)}
    return [
        JobPlace(job.name, loaded.path, own.get(job.name, loaded.path), job.name in own)
        for job in loaded.config.jobs
    ]


def texts_shown(loaded: Loaded) -> Iterator[tuple[str, str, str]]:
    """Name, text without secrets and file of every job. One that is written in a form of its own
    (`jobs = [{...}]`) has no text that could be put back, and is left out.
    """
    for place in places(loaded):
        with suppress(ConfigError, OSError):
            yield place.name, shown(place.text), str(place.path)


def place_of(config: Path, name: str) -> JobPlace:
    """One job's place. Raises `NotFoundError`."""
    found = {place.name: place for place in places(load(config))}
    if name not in found:
        known = ", ".join(found) or "none"
        raise NotFoundError(f"there is no job {name!r}; there are: {known}")
    return found[name]
