"""Trials as the configuration wants them: when, judged by whom, held to which bar."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.routing import BaseRoute

from twotier.agent.loading import Loader
from twotier.agent.model import MainClient
from twotier.config.alerts import hours_of
from twotier.config.load import Loaded
from twotier.config.trials import TrialsConfig
from twotier.config.zones import zone_name
from twotier.domain.clock import Clock
from twotier.domain.money import MICROUSD_PER_USD
from twotier.jobs import lease
from twotier.jobs.again_agent import Agents
from twotier.jobs.database import Database
from twotier.jobs.quality import QualityWatch, Sample
from twotier.jobs.records import Records
from twotier.jobs.scheduler import Scheduler
from twotier.jobs.trial_api import Trials
from twotier.jobs.trial_desk import Around, TrialDesk, Window
from twotier.jobs.trials import TrialStore


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
        loaded: Loaded,
        database: Database,
        *,
        scheduler: Scheduler,
        client: MainClient,
        clock: Clock,
        agents: Agents,
    ) -> Trying:
        """Built for the worker of this configuration."""
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
        )
        around = Around(lambda: scheduler.jobs, window, client.judged, sample.takes)
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


def window_of(config: TrialsConfig) -> Window | None:
    """The hours of trials; None for all day."""
    hours = hours_of(config.hours)
    return Window(*hours, zone_name(config.zone)) if hours else None
