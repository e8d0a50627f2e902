"""Job files as pages write them: drafted, shown with all that is wrong, and written only then.

A draft is a text that waits here for its owner's second look: a new job made of a template, or
another text for one that is there. It is checked with the whole configuration, tried by the worker,
and compared with what lies there now; writing it takes the same way as the command line's. Drafts
are few and in memory: one that is lost is made again.
"""

from __future__ import annotations

import asyncio
import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from twotier.build.job_cost import Load, costs
from twotier.build.worker_peer import WorkerPeer
from twotier.config.job_draft import Draft, drafted, set_already, written
from twotier.config.job_place import JobPlace, place_of
from twotier.config.job_templates import template_names, template_of
from twotier.config.job_text import shown, unhidden
from twotier.config.load import load
from twotier.config.template import Ask, Template, problems
from twotier.errors import (
    ConfigError,
    NotFoundError,
    NotRunningError,
    RequestError,
    TwotierError,
)

DRAFTS_MAX = 32
TEXT_CHARACTERS_MAX = 200_000
WHOLE = ""  # the key of what is wrong with no single answer
OF_FILE = re.compile(r"^.*?\.toml: ")
OF_SETTING = re.compile(r"^.*?\.toml: (?:[a-z_]+\.)*([a-z_]+): (.*)$")
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A draft. `job` is the one that is changed, empty for a new one; `present` the digest of the
    text that it is to replace. `problems` are sentences by the key of an answer.
    """

    id: str
    job: str = ""
    name: str = ""
    template: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    present: str = ""
    path: str = ""
    diff: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    costs: tuple[Mapping[str, Any], ...] = ()
    could_not_look: str = ""


class JobDesk:
    """All of it. `config` is the main file; `new_id` names drafts."""

    def __init__(self, config: Path, worker: WorkerPeer, *, new_id: Callable[[], str]) -> None:
        self._config = config
        self._worker = worker
        self._new_id = new_id
        self._waiting: dict[str, Waiting] = {}
        self._writing = asyncio.Lock()  # what was compared is what is replaced

    # -- what there is

    async def templates(self) -> list[dict[str, Any]]:
        """Every template with its questions; those whose setting is there already are left out."""
        return await asyncio.to_thread(self._templates)

    def _templates(self) -> list[dict[str, Any]]:
        there = set_already(load(self._config))
        return [
            {
                "name": one.name,
                "about": one.about,
                "asks": [asked(ask) for ask in one.asks if ask.setting not in there],
            }
            for one in map(template_of, template_names())
        ]

    async def text(self, job: str) -> dict[str, Any]:
        """A job's text without its secrets, and the digest of what really lies there."""
        place = await asyncio.to_thread(place_of, self._config, job)
        return {
            "job": job,
            "path": str(place.path),
            "own": place.own,
            "text": shown(place.text),
            "sha256": digest(place.text),
        }

    def draft(self, draft_id: str) -> Waiting:
        """One that waits. Raises `NotFoundError`."""
        if draft_id not in self._waiting:
            raise NotFoundError("this draft is not kept any more; begin again")
        return self._waiting[draft_id]

    # -- a new job

    async def make(self, template: str, answers: Mapping[str, str], *, name: str) -> Waiting:
        """A draft of a new job, checked and tried. Raises `NotFoundError` for no such template."""
        draft, made = await asyncio.to_thread(self._made, template, answers, name=name)
        if made is not None:
            draft = replace(draft, could_not_look=await self._tried(made))
        return self._keep(draft)

    def _made(
        self, template: str, answers: Mapping[str, str], *, name: str
    ) -> tuple[Waiting, Draft | None]:
        found, loaded = template_of(template), load(self._config)
        given = {key: value.strip() for key, value in answers.items()}
        said = {key: value for key, value in given.items() if value}
        draft = Waiting(self._new_id(), name=name, template=template, answers=given)
        wrong = problems(found, said, set_already=set_already(loaded))
        if not NAME.fullmatch(name):
            wrong["name"] = "a name has small letters, figures, - and _; it begins with a letter"
        elif any(job.name == name for job in loaded.config.jobs):
            wrong["name"] = f"there is a job {name!r} already"
        if wrong:
            return replace(draft, problems=wrong), None
        try:
            made = drafted(loaded, found, answers=said, name=name)
        except TwotierError as exc:
            return replace(draft, problems=by_answer(found, exc.message)), None
        before = loaded.path.read_text(encoding="utf-8")
        priced = [
            {"tier": one.tier, "local": one.local, "microusd": one.microusd}
            for one in costs(made.loaded, Load.of(found))
        ]
        return replace(
            draft,
            text=made.text,
            path=str(made.path),
            diff=compared(before, made.main_text),
            costs=tuple(priced),
        ), made

    async def _tried(self, made: Draft) -> str:
        """Why what it watches could not be looked at; the worker looks, because it may."""
        if made.job.watch is None:
            return ""
        try:
            told = await self._worker.post("/look", {"name": made.name, "text": made.text})
        except TwotierError as exc:
            return f"it was not tried: {exc.message}"
        return str(told["could_not_look"])

    # -- another text for a job

    async def change(self, job: str, text: str, *, present: str) -> Waiting:
        """A draft of another text for a job, checked. Raises `NotFoundError` for no such job."""
        if len(text) > TEXT_CHARACTERS_MAX:
            raise RequestError(f"a job's text may have {TEXT_CHARACTERS_MAX} characters")
        clean = "\n".join(text.splitlines()) + "\n"  # a form sends its lines with \r\n
        return self._keep(await asyncio.to_thread(self._changed, job, clean, present=present))

    def _changed(self, job: str, text: str, *, present: str) -> Waiting:
        place = place_of(self._config, job)
        now = place.text
        draft = Waiting(self._new_id(), job, name=job, text=text, present=present)
        draft = replace(draft, path=str(place.path), diff=compared(shown(now), text))
        try:
            unmoved(place, present)
            place.checked(unhidden(text, now))
        except ConfigError as exc:
            return replace(draft, problems={WHOLE: exc.message})
        return draft

    # -- written

    async def write(self, draft_id: str) -> dict[str, Any]:
        """Write a draft and have the worker take it. `waits` says why it has not, empty where it
        has. Raises `ConfigError` where the draft is wrong, or what it replaces is another by now.
        """
        draft = self.draft(draft_id)
        if draft.problems:
            raise ConfigError(f"nothing was written: {'; '.join(draft.problems.values())}")
        async with self._writing:
            await asyncio.to_thread(self._replace if draft.job else self._add, draft)
        del self._waiting[draft_id]
        return {"job": draft.name, "path": draft.path, "waits": await self._taken()}

    def _replace(self, draft: Waiting) -> None:
        place = place_of(self._config, draft.job)
        unmoved(place, draft.present)
        place.put(unhidden(draft.text, place.text))

    def _add(self, draft: Waiting) -> None:
        said = {key: value for key, value in draft.answers.items() if value}
        template = template_of(draft.template)
        written(drafted(load(self._config), template, answers=said, name=draft.name))

    async def _taken(self) -> str:
        try:
            await self._worker.post("/reload")
        except NotRunningError:
            return "it counts once the worker is back"
        except TwotierError as exc:  # something else of the file is wrong
            return exc.message
        return ""

    def _keep(self, draft: Waiting) -> Waiting:
        self._waiting[draft.id] = draft
        while len(self._waiting) > DRAFTS_MAX:
            del self._waiting[next(iter(self._waiting))]
        return draft


def asked(ask: Ask) -> dict[str, Any]:
    """A question as JSON. `choices` are the words it takes, where its form is a list of words."""
    words = ask.like.split("|")
    plain = len(words) > 1 and all(word.replace("-", "").isalnum() for word in words)
    return {
        "key": ask.key,
        "text": ask.text,
        "kind": ask.kind,
        "default": ask.default,
        "example": ask.example,
        "optional": ask.optional,
        "choices": words if plain else [],
    }


def unmoved(place: JobPlace, present: str) -> None:
    """Raises `ConfigError` where another text lies there than the one that was shown."""
    if digest(place.text) != present:
        raise ConfigError(
            f"{place.path} was changed meanwhile, so nothing was written; look at it anew"
        )


def by_answer(template: Template, message: str) -> dict[str, str]:
    """What is wrong with a configuration, at the answer whose setting each line names."""
    keys = {ask.key for ask in template.asks} | {"name"}
    found: dict[str, list[str]] = {}
    for line in message.splitlines():
        match = OF_SETTING.match(line.strip())
        if match is not None and match[1] in keys:
            found.setdefault(match[1], []).append(match[2])
        elif not line.endswith(".toml:"):
            found.setdefault(WHOLE, []).append(OF_FILE.sub("", line.strip()))
    return {at: "; ".join(lines) for at, lines in found.items()}


def compared(before: str, after: str) -> tuple[str, ...]:
    """As `diff -u` has it, without its head and without secrets; empty where both are the same."""
    one, other = (shown(text).splitlines() for text in (before, after))
    return tuple(difflib.unified_diff(one, other, lineterm=""))[2:]


def digest(text: str) -> str:
    """What tells a text from another."""
    return sha256(text.encode()).hexdigest()
