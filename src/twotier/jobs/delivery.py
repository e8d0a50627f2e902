"""Hands a finished result over: to a file, the log, a webhook or ntfy.

A file lies inside the configuration's folder, whatever an item is called, and never in the folder
its own job watches. It is written whole or not at all, and no file that was there before is
overwritten: the next free name is taken. The name is stored before the file is written, so that
delivering again after a crash overwrites our own half and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from twotier.domain.job import Job, Run
from twotier.errors import DeliveryError, JobError
from twotier.jobs.results import Letter, ResultStore
from twotier.notify.base import Channel, Message

LOG = logging.getLogger("twotier.delivery")
FIELD = re.compile(r"\{([^{}]*)\}")
FIELDS = ("stem", "name", "run", "job", "date")
NAMES_TRIED_MAX = 1_000
NAME_CHARACTERS_MAX = 120


class Delivery:
    """All ways out. `channels` are those that leave the machine, by their word in `deliver`."""

    def __init__(
        self, home: Path, results: ResultStore, *, channels: Mapping[str, Channel]
    ) -> None:
        self._home = home.resolve()
        self._results = results
        self._channels = channels
        self._naming = asyncio.Lock()  # two letters must not find the same name free

    def target_of(self, job: Job, run: Run, *, title: str) -> str:
        """The job's `deliver` with the fields of this run filled in.

        Raises `JobError` for a target that is not allowed, before anything was spent on it.
        """
        kind, _, pattern = job.deliver.partition(":")
        if kind != "file":
            return job.deliver
        values = {
            "stem": plain(Path(title).stem) or job.name,
            "name": plain(title) or job.name,
            "run": run.id,
            "job": job.name,
            "date": f"{run.slot:%Y-%m-%d}",
        }
        target = FIELD.sub(lambda match: field_value(values, match.group(1)), pattern)
        self._allowed(job, self._home / Path(target).expanduser())
        return f"file:{target}"

    def _allowed(self, job: Job, path: Path) -> None:
        folder = path.parent.resolve()
        if not folder.is_relative_to(self._home) or path.name in ("", ".", ".."):
            raise JobError(
                f"deliver = {job.deliver!r} points outside {self._home}; files are only written"
                " inside the folder of the configuration"
            )
        if self._watched(job) == folder:
            raise JobError(
                f"deliver = {job.deliver!r} points into the folder the job watches, and would"
                " feed it with its own answers; name another folder"
            )

    def _watched(self, job: Job) -> Path | None:
        """The folder whose files the job works on, if it does."""
        if job.watch is None or job.watch["kind"] != "files":
            return None
        return (self._home / str(job.watch["path"])).resolve()

    async def deliver(self, letter: Letter) -> str:
        """Hand it over; returns where it is now. Raises `DeliveryError`."""
        kind, _, target = letter.target.partition(":")
        if kind == "file":
            return await self._write(letter, target)
        if kind == "log":
            LOG.info("answer", extra={"job": letter.job, "run": letter.run, "text": letter.text})
            return "log"
        message = Message(
            title=letter.title or letter.job,
            text=letter.text,
            key=f"{letter.run}:{letter.key}",
            facts={"job": letter.job, "run": letter.run, "item": letter.key},
        )
        await self._channels[kind].send(target, message)
        return kind

    async def _write(self, letter: Letter, target: str) -> str:
        content = (letter.text.rstrip("\n") + "\n").encode()
        async with self._naming:
            try:
                path = Path(letter.path) if letter.path else None
                if path is None:
                    path = await asyncio.to_thread(free_name, self._home / target, content)
                    await self._results.plan_path(letter, str(path))
                await asyncio.to_thread(write_whole, path, content)
            except OSError as exc:
                raise DeliveryError(f"{exc.filename or target}: {exc.strerror}") from exc
        return str(path.relative_to(self._home))


def field_value(values: Mapping[str, str], name: str) -> str:
    """The value of a field of a pattern."""
    if name not in values:
        known = ", ".join(f"{{{known}}}" for known in FIELDS)
        raise JobError(f"deliver names {{{name}}}, which there is not; known: {known}")
    return values[name]


def plain(name: str) -> str:
    """A name from outside as a plain file name: no folders, not hidden, not endless."""
    kept = "".join(
        "_" if character in "/\\" or not character.isprintable() else character
        for character in name
    )
    return kept.lstrip(".")[:NAME_CHARACTERS_MAX].strip()


def free_name(path: Path, content: bytes) -> Path:
    """`path`, or `path-2` and so on where something else has that name.

    A file with exactly this content may stay what it is: nothing is lost by writing it again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, NAMES_TRIED_MAX):
        name = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        if not os.path.lexists(name):
            return name
        if name.is_file() and not name.is_symlink() and name.read_bytes() == content:
            return name
    raise DeliveryError(f"{path} and {NAMES_TRIED_MAX - 1} names after it are taken; clear up")


def write_whole(path: Path, content: bytes) -> None:
    """Write beside it, then rename: a reader sees the old state or the whole file."""
    handle, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
