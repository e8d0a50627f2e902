"""Trials as the configuration wants them: when, judged by whom, held to which bar."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from starlette.routing import BaseRoute

from twotier.agent.loading import Loader
from twotier.agent.model import MainClient
from twotier.build.verifying import commanded
from twotier.config.alerts import hours_of
from twotier.config.load import Loaded
from twotier.config.trials import TrialsConfig
from twotier.config.zones import zone_name
from twotier.domain.clock import Clock
from twotier.domain.job import Job
from twotier.domain.money import MICROUSD_PER_USD
from twotier.errors import ToolError
from twotier.jobs import lease
from twotier.jobs.again_agent import Agents
from twotier.jobs.database import Database
from twotier.jobs.quality import QualityWatch, Sample
from twotier.jobs.records import Records
from twotier.jobs.scheduler import Scheduler
from twotier.jobs.trial_api import Trials
from twotier.jobs.trial_desk import Around, TrialDesk, Window
from twotier.jobs.trials import TrialStore


class Current(Protocol):
    """Whoever has the configuration as it is now."""

    loaded: Loaded


@dataclass(frozen=True, slots=True)
class Trying:
    """The parts that try."""

    scheduler: Scheduler
    store: TrialStore
    records: Records
    desk: TrialDesk
    watch: QualityWatch

    @classmethod
    def of(
        cls,
        current: Current,
        database: Database,
        *,
        scheduler: Scheduler,
        client: MainClient,
        clock: Clock,
        agents: Agents,
    ) -> Trying:
        """Built for the worker of this configuration; `current` gives it as it is now."""
        loaded = current.loaded
        config = loaded.config
        us, seconds = lease.owner_of(loaded.paths.worker_name), config.work.lease
        store = TrialStore(database, clock, owner=us, lease_seconds=seconds)
        local = frozenset(name for name, tier in config.tiers.items() if tier.is_local)
        records = Records(
            database,
            store,
            clock=clock,
            local_tiers=local,
            bar_percent=config.trials.bar_percent,
        )
        window = window_of(config.trials)
        sample = Sample(
            config.routing.quality.shadow_percent,
            int(config.routing.quality.limit_usd * MICROUSD_PER_USD),
            local,
            config.routing.quality.prove,
            config.routing.quality.prove_free,
        )
        around = Around(
            lambda: scheduler.jobs,
            window,
            client.judged,
            sample.takes,
            lambda job, answer: harmless(current, job, answer=answer),
        )
        loader = Loader(loaded.paths.main_socket)
        desk = TrialDesk(store, around, client=client, loads=loader, clock=clock, agents=agents)
        watch = QualityWatch(store, desk, sample=sample, main=client, clock=clock)
        return cls(scheduler, store, records, desk, watch)

    async def run(self) -> None:
        """Beside the jobs; never returns."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.desk.run())
            group.create_task(self.watch.run())

    def routes(self) -> list[BaseRoute]:
        """For the worker's API."""
        return Trials(self.scheduler, self.store, records=self.records, desk=self.desk).routes()


async def harmless(current: Current, job: Job, *, answer: str) -> tuple[bool, str]:
    """What the job's program finds in an answer nobody gets; only of one that changes nothing.
    Raises `ToolError`.
    """
    command = current.loaded.config.tools.command.get(job.verify.command)
    if command is None or command.changes:
        raise ToolError(f"{job.verify.command} may change something")
    return await commanded(lambda: current.loaded, job, answer=answer)


def window_of(config: TrialsConfig) -> Window | None:
    """The hours of trials; None for all day."""
    hours = hours_of(config.hours)
    return Window(*hours, zone_name(config.zone)) if hours else None
