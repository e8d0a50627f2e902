"""A job that is not in the configuration yet: checked, tried, written, told to the worker."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from twotier.build.tools import web_of
from twotier.cli.job_cost import Cost, Load, costs
from twotier.cli.peers import worker_of
from twotier.clock import SystemClock
from twotier.config import secrets
from twotier.config.edit import put
from twotier.config.job_files import FOLDER, JobFile
from twotier.config.load import Loaded, check_text
from twotier.config.template import Template, filled, settings
from twotier.config.work import JobConfig
from twotier.config.write import put_file, rewrite
from twotier.errors import ConfigError, NotRunningError, TwotierError, UsageError, WatchError
from twotier.watch.base import Around
from twotier.watch.kinds import make

LOOK_SECONDS = 60.0
PAID_KINDS = frozenset({"x"})  # a look is money, so it is not tried


@dataclass(frozen=True, slots=True)
class Draft:
    """The job, the text of its file, and the text of the main file that goes with it."""

    job: JobConfig
    path: Path
    text: str
    main_text: str
    loaded: Loaded
    load: Load

    @property
    def name(self) -> str:
        """The job's."""
        return self.job.name

    def costs(self) -> Iterator[tuple[Cost, str]]:
        """What a run with something new costs on each tier, and the sentence."""
        for one in costs(self.loaded, self.load):
            yield one, one.said()


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
    load = Load(template.prompt_tokens * template.calls, template.output_tokens * template.calls)
    return Draft(job, path, text, main_text, Loaded(config, loaded.path), load)


def tried(draft: Draft) -> str:
    """Look once, as the worker would, and store nothing. Why that failed; empty if it did not."""
    watch = draft.job.watch
    if watch is None or watch.kind in PAID_KINDS:
        return ""
    loaded = draft.loaded
    around = Around(
        loaded.home,
        SystemClock(),
        secret=partial(secret, secrets.Named([draft.job], home=loaded.home)),
        web=web_of(loaded),
    )
    try:
        asyncio.run(look(watch.model_dump(mode="json"), around))
    except WatchError as exc:
        return exc.message
    except TimeoutError:
        return f"no answer within {LOOK_SECONDS:.0f} s"
    return ""


async def look(settings: Mapping[str, object], around: Around) -> None:
    """Once, from the beginning."""
    async with asyncio.timeout(LOOK_SECONDS):
        await make(settings, around).look(None)


def secret(named: secrets.Named, place: str) -> str:
    """What lies at a place the job names, for its watcher."""
    try:
        return named.get(place)
    except ConfigError as exc:
        raise WatchError(exc.message) from exc


def written(draft: Draft) -> None:
    """The job's file first: the main file may name what only it needs, never the other way."""
    draft.path.parent.mkdir(exist_ok=True)
    put_file(draft.path, draft.text.encode())
    if draft.main_text != draft.loaded.path.read_text(encoding="utf-8"):
        rewrite(draft.loaded.path, draft.main_text)


def live(config: Path) -> str:
    """Tell the worker. Why the job has to wait for a start; empty where it is live."""
    try:
        worker_of(config).post("/reload")
    except NotRunningError:
        return "it runs when twotier does: `twotier up`"
    except TwotierError as exc:  # something else of the file is wrong, or main does not answer
        return exc.message
    return ""
