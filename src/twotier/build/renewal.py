"""The worker takes its configuration anew: all is built before anything of the old one goes."""

from __future__ import annotations

import asyncio
import logging
import signal
from dataclasses import dataclass
from typing import Protocol

from twotier.agent.model import MainClient
from twotier.build.limits import agree, limits_of
from twotier.config import secrets
from twotier.config.job_place import texts_shown
from twotier.config.load import Loaded
from twotier.domain.job import Job
from twotier.errors import TwotierError
from twotier.jobs.revisions import Revisions
from twotier.jobs.scheduler import Scheduler
from twotier.watch.base import Watcher

LOG = logging.getLogger("twotier.worker")


@dataclass(frozen=True, slots=True)
class Renewed:
    """A configuration that was read anew, and what is made of it."""

    loaded: Loaded
    named: secrets.Named
    watchers: dict[str, Watcher]
    jobs: list[Job]


class Renewable(Protocol):
    """What is made of the configuration."""

    loaded: Loaded

    def renewed(self) -> Renewed:
        """What it is now; nothing has changed yet."""
        ...

    def use(self, renewed: Renewed) -> None:
        """From now on that is what there is."""
        ...


class Renewal:
    """Takes the configuration anew, when somebody says so or SIGHUP comes."""

    def __init__(
        self, works: Renewable, scheduler: Scheduler, *, client: MainClient, revisions: Revisions
    ) -> None:
        self._works = works
        self._scheduler = scheduler
        self._client = client
        self._revisions = revisions

    async def begin(self) -> None:
        """Note the settings of jobs; main may have been started with other ones."""
        await self._note()
        if limits_of(self._works.loaded):
            try:
                await agree(self._client, self._works.loaded)
            except TwotierError as exc:
                LOG.warning("limits of jobs are not sure", extra={"because": exc.message})

    async def reload(self) -> None:
        """Build the new jobs completely, have main take their limits, then let the scheduler have
        them. Raises what is wrong with them; the old ones stay then.
        """
        renewed = self._works.renewed()
        await agree(self._client, renewed.loaded)
        self._works.use(renewed)
        await self._scheduler.use(renewed.jobs)
        await self._note()

    async def _note(self) -> None:
        """Keep the settings of jobs as they are now."""
        await self._revisions.note(texts_shown(self._works.loaded))

    async def on_signal(self) -> None:
        """Reload on each SIGHUP; what is wrong stands in the log."""
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, told.set)
        while True:
            await told.wait()
            told.clear()
            try:
                await self.reload()
            except TwotierError as exc:
                LOG.warning("not reloaded, the old jobs stay", extra={"because": exc.message})
