"""What a run of a job would do now, without doing it: its watcher looks, and nothing is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twotier.domain.job import Item, Job
from twotier.domain.label import Label
from twotier.errors import WatchError
from twotier.jobs.items import ItemStore
from twotier.jobs.prompt import SYSTEM, prompt_of
from twotier.watch.base import Watcher
from twotier.watch.kinds import kind_of

PROMPTS_SHOWN = 3
ITEMS_SHOWN = 20
WAITING_MAX = 1_000
ITEMS_MAX = 50  # of one run, where the watcher does not say


@dataclass(frozen=True, slots=True)
class Found:
    """What a run would work on: what waits already, and what the watcher would bring."""

    items: Sequence[Item] = ()
    unreadable: Sequence[str] = ()
    not_looked: str = ""


class DryRun:
    """Looks, and writes the prompts."""

    def __init__(self, items: ItemStore, watchers: Mapping[str, Watcher]) -> None:
        self._items = items
        self._watchers = watchers

    async def told(self, job: Job) -> dict[str, Any]:
        """What would be asked, as JSON. Raises `WatchError` where it could not look."""
        found = await self._found(job) if job.watch is not None else Found()
        limit = int((job.watch or {}).get("items_max", ITEMS_MAX))
        now = list(found.items[:limit])
        prompts = prompts_of(job, now)
        return {
            "system": SYSTEM,
            "prompts": prompts[:PROMPTS_SHOWN],
            "questions": len(prompts),
            "items": [{"title": one.title, "source": one.source} for one in now[:ITEMS_SHOWN]],
            "items_more": len(found.items) - min(len(now), ITEMS_SHOWN),
            "unreadable": list(found.unreadable),
            "not_looked": found.not_looked,
            "tools": list(job.terms.tools),
            "model": job.model,
            "policy": job.tier.value,
            "kind": job.kind,
            "output_tokens_max": job.output_tokens_max,
        }

    async def _found(self, job: Job) -> Found:
        waiting = await self._items.waiting(job.name, limit=WAITING_MAX)
        if Label.COSTS in kind_of(job.watch or {}).labels:
            return Found(waiting, not_looked="each look of it costs money")
        watcher = self._watchers[job.name]
        cursor = await self._items.cursor(job.name, watcher.place)
        try:
            async with asyncio.timeout(job.deadline_seconds):
                look = await watcher.look(cursor)
        except TimeoutError as exc:
            raise WatchError(
                f"no answer within {job.deadline_seconds:.0f} s; see if the place can be reached"
            ) from exc
        new = {item.id: item for item in await self._items.unknown(job.name, look)}
        return Found([*waiting, *new.values()], [one.because for one in look.unreadable])


def prompts_of(job: Job, items: Sequence[Item]) -> list[str]:
    """The questions of a run that works on these items."""
    if job.watch is None:
        return [prompt_of(job, [])]
    if job.each:
        return [prompt_of(job, [item]) for item in items]
    return [prompt_of(job, items)] if items else []
