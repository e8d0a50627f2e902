"""The worker process: it runs the jobs, and reads what comes from outside.

Started by main as `python -m twotier.worker --config PATH`. It holds no model key: whatever it
asks goes through main, over a private socket. There is one worker per state folder (a lock), and it
ends when its connection to main ends, so a killed main never leaves one behind. On SIGTERM it
takes no new work and lets the current step finish; what is not over goes on at the next start.

This module reads top to bottom: what is made of the configuration, then how it runs and stops.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from starlette.routing import BaseRoute

from twotier.agent.fees import MainFees
from twotier.agent.model import MainClient
from twotier.build.agents import Tooling, agents_of, terms_of
from twotier.build.chat import Means, chats_of
from twotier.build.first_look import FirstLook, secrets_of
from twotier.build.owner import owner_of
from twotier.build.renewal import Renewal, Renewed
from twotier.build.tools import files_of, hidden, web_of
from twotier.build.trials import Trying
from twotier.build.verifying import verifier_of
from twotier.clock import SystemClock
from twotier.config import secrets
from twotier.config.load import Loaded, load
from twotier.config.mcp import server_specs
from twotier.config.schema import Config
from twotier.config.values import duration_seconds
from twotier.config.verify import verifying_of
from twotier.config.work import JobConfig
from twotier.config.zones import zone_name
from twotier.domain.clock import Clock
from twotier.domain.fee import Fees
from twotier.domain.job import Job
from twotier.domain.tier import TierPolicy
from twotier.errors import TwotierError
from twotier.jobs import lease
from twotier.jobs.api import Api, Server, listen, server
from twotier.jobs.api_runs import Steppings
from twotier.jobs.api_watch import Watching
from twotier.jobs.awake import Awake, command_here
from twotier.jobs.chat_api import chat_routes
from twotier.jobs.database import Database
from twotier.jobs.delivery import Delivery
from twotier.jobs.dry import DryRun
from twotier.jobs.engine import Engine
from twotier.jobs.hooks import Hooks
from twotier.jobs.items import ItemStore
from twotier.jobs.keeping import Keeping
from twotier.jobs.mark_api import Marking
from twotier.jobs.orders import Orders
from twotier.jobs.parked import unpark
from twotier.jobs.places import Places
from twotier.jobs.results import ResultStore
from twotier.jobs.retention import Elsewhere, Forget, Keep, Retention
from twotier.jobs.revisions import Revisions
from twotier.jobs.rounds import Rounds
from twotier.jobs.runner import LEAVE, Runner, Stores
from twotier.jobs.schedule import at_of
from twotier.jobs.scheduler import Scheduler
from twotier.jobs.stop import Stop
from twotier.jobs.store import RunStore
from twotier.jobs.triggers import TriggerStore
from twotier.lock import only_one
from twotier.logs import hide, start_logging
from twotier.notify.base import Channel
from twotier.notify.http import Ntfy, Webhook
from twotier.tools.mcp import Servers
from twotier.tools.mcp_wire import ServerSpec
from twotier.watch.base import Around, Watcher
from twotier.watch.kinds import make

LOG = logging.getLogger("twotier.worker")

STOP_SECONDS = 5.0  # for the step that is under way when we are told to stop
# What a job with a webhook watches, where it says no more.
POSTED = {"kind": "inbox", "items_max": 50, "item_bytes_max": 12_000}
MAIN_GONE_SECONDS = 0.5  # nobody is left to answer it


async def work(loaded: Loaded, named: secrets.Named, *, clock: Clock) -> None:
    """Run the jobs until SIGTERM, or until main has gone."""
    stop = Stop()
    url = named.get(place) if (place := loaded.config.work.database) else ""
    database = Database.open(loaded.paths.work, url=url)
    engine = Engine.on(loaded.paths.engine, url=url, leave=LEAVE)
    try:
        async with (
            MainClient(loaded.paths.main_socket) as client,
            Servers(specs_of(loaded, named), clock=clock) as servers,
        ):
            runs, held = shared_of(loaded, database, clock=clock)
            stores = Stores(ItemStore(database, clock), ResultStore(database, clock), engine)
            delivery = Delivery(loaded.home, stores.results, channels=(ways := channels(loaded)))
            works = Works(loaded, named, fees=MainFees(client), servers=servers, clock=clock)
            owner = owner_of(loaded, database, channels=ways, clock=clock)
            tooling = Tooling(lambda: works.loaded, client, servers=servers, clock=clock)
            looks = verifier_of(lambda: works.loaded, owner.desk, results=stores.results)
            agents = agents_of(loaded, owner, tooling=tooling, verifier=looks, clock=clock)
            runner = Runner(
                stores,
                client,
                delivery=delivery,
                watchers=works.watchers,
                clock=clock,
                agents=agents,
            )
            runner.awake = Awake(command_here())
            jobs, triggers, places = jobs_of(loaded), TriggerStore(database, clock), works.places
            scheduler = Scheduler(
                jobs, store=runs, triggers=triggers, runner=runner, places=places, clock=clock
            )
            revisions = Revisions(database, clock)
            renewal = Renewal(works, scheduler, client=client, revisions=revisions)
            await renewal.begin()
            hooks = hooks_of(stores.items, scheduler, works=works, clock=clock)
            watching = Watching(scheduler, works.watchers, items=stores.items, runs=runs)
            means = Means(client, engine, owner.desk, servers)
            chats = chats_of(loaded, database, means=means, clock=clock)
            api = Api(scheduler, runs=runs, items=stores.items, results=stores.results)
            rounds = Rounds(stores.results, delivery=delivery, clock=clock)
            retention = retention_of(loaded, database, clock=clock, forget=engine.forget)
            trying = Trying.of(
                works, database, scheduler=scheduler, client=client, clock=clock, agents=agents
            )
            watch, takes = partial(watch_main, client, stop), partial(held.run, scheduler.take_over)
            endless = (rounds.run, retention.run, chats.run, trying.run, takes, watch)
            # The engine is loaded beside the rest, so that its second is nobody's.
            parked = partial(unpark, scheduler, runs, models=client.models, clock=clock)
            beside = (*endless, parked, engine.launch, renewal.on_signal)
            await held.beat()
            orders = Orders(scheduler, DryRun(stores.items, works.watchers), hooks, renewal.reload)
            parts = (Steppings(scheduler, engine), orders, *owner.joined(scheduler), watching)
            more = (trying, revisions, works, Marking(scheduler, stores.results, client))
            routes = [one for part in (*parts, *more) for one in part.routes()]
            routes += [*Keeping(retention).routes(), *chat_routes(chats)]
            await run(scheduler, server(api.app(*routes)), beside=beside, loaded=loaded, stop=stop)
    finally:
        await engine.close()
        database.close()


def shared_of(loaded: Loaded, database: Database, *, clock: Clock) -> tuple[RunStore, lease.Lease]:
    """The rows of runs, which workers of other machines may share, and what says that we live."""
    us, seconds = lease.owner_of(loaded.paths.worker_name), loaded.config.work.lease
    runs = RunStore(database, clock, owner=us, lease_seconds=seconds)
    return runs, lease.Lease(database, clock, owner=us, seconds=seconds)


def hooks_of(items: ItemStore, scheduler: Scheduler, *, works: Works, clock: Clock) -> Hooks:
    """Where others post what jobs wait for."""
    return Hooks(
        items,
        job=scheduler.jobs_by_name,
        secret=works.webhook_secret,
        look=scheduler.look,
        clock=clock,
    )


def watchers_of(jobs: Sequence[Job], around: Around) -> dict[str, Watcher]:
    """What the jobs look at, by their names."""
    return {
        job.name: make(job.watch, replace(around, job=job.name))
        for job in jobs
        if job.watch is not None
    }


async def run(
    scheduler: Scheduler,
    api: Server,
    *,
    beside: Sequence[Callable[[], Coroutine[Any, Any, None]]],
    loaded: Loaded,
    stop: Stop,
) -> None:
    """Everything at once, until `stop`: jobs, the private API, and what goes on `beside` them."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(
            number, lambda: stop.ask("told to stop", grace_seconds=STOP_SECONDS)
        )
    sock = listen(loaded.paths.worker_socket)
    try:
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(one()) for one in beside]
            group.create_task(api.serve(sockets=[sock]))
            LOG.info("worker ready", extra={"jobs": len(scheduler.jobs), "pid": os.getpid()})
            try:
                await scheduler.run(stop)
            finally:
                api.should_exit = True
                _ = [other.cancel() for other in others]
    finally:
        loaded.paths.worker_socket.unlink(missing_ok=True)
    LOG.info("worker stopped", extra={"because": stop.because})


async def watch_main(client: MainClient, stop: Stop) -> None:
    """Hold the connection whose end means that main has gone."""
    await client.stay()
    stop.ask("main has gone", grace_seconds=MAIN_GONE_SECONDS)


class Works:
    """What is made of the configuration for its jobs, and anew when it is reloaded. `watchers` and
    `places` stay the same objects: others hold them.
    """

    def __init__(
        self,
        loaded: Loaded,
        named: secrets.Named,
        *,
        fees: Fees,
        servers: Servers,
        clock: Clock,
    ) -> None:
        self.loaded = loaded
        self.places = Places(at_once(loaded.config))
        self.watchers: dict[str, Watcher] = {}
        self._named = named
        self._fees = fees
        self._servers = servers  # those of the start: other ones need a restart
        self._clock = clock
        self.watchers.update(self._watchers(loaded, named))

    def renewed(self) -> Renewed:
        """What the configuration is now. Nothing has changed yet. Raises `ConfigError` or
        `WatchError`.
        """
        loaded = load(self.loaded.path)
        named = secrets.Named([*loaded.config.jobs, loaded.config.tools], home=loaded.home)
        return Renewed(loaded, named, self._watchers(loaded, named), jobs_of(loaded))

    def use(self, renewed: Renewed) -> None:
        """From now on that is what there is."""
        self.loaded, self._named = renewed.loaded, renewed.named
        self.watchers.clear()
        self.watchers.update(renewed.watchers)
        self.places.use(at_once(renewed.loaded.config))
        hide(renewed.named.all())

    def webhook_secret(self, name: str) -> str:
        """The secret of a job that takes posts, empty for others. Raises `ConfigError`."""
        places = {job.name: job.webhook_secret for job in self.loaded.config.jobs}
        place = places.get(name)
        return self._named.get(place) if place else ""

    def routes(self) -> list[BaseRoute]:
        """For the worker's API: a look at what is not in the configuration yet."""
        return FirstLook(lambda: self.loaded, self.around).routes()

    def around(self, loaded: Loaded, named: secrets.Named) -> Around:
        """What watchers get beside their own settings."""
        return Around(
            loaded.home,
            self._clock,
            secret=secrets_of(named),
            web=web_of(loaded),
            servers=self._servers,
            fees=self._fees,
        )

    def _watchers(self, loaded: Loaded, named: secrets.Named) -> dict[str, Watcher]:
        return watchers_of(jobs_of(loaded), self.around(loaded, named))


def jobs_of(loaded: Loaded) -> list[Job]:
    """The jobs of the configuration, with the tiers that may serve each."""
    return [
        replace(
            job_of(job, loaded.home),
            tiers=tiers_of(job, loaded.config),
            verify=verifying_of(job, second=loaded.config.verify.second),
        )
        for job in loaded.config.jobs
    ]


def tiers_of(job: JobConfig, config: Config) -> tuple[str, ...]:
    """The tiers whose places a run of the job may take, local ones first; none where it is not
    known. What prefers the local tier takes its place there: it is main that goes on to the other.
    """
    target = config.aliases.get(job.model, job.model)
    pinned = [
        name
        for name, tier in config.tiers.items()
        if target in (name, tier.model, f"{tier.provider}/{tier.model}")
    ]
    if pinned:
        return (pinned[0],)
    asked = {name: tier for name, tier in config.tiers.items() if tier.in_place_of is None}
    here = tuple(name for name, tier in asked.items() if tier.is_local)
    there = tuple(name for name in asked if name not in here)
    if job.tier is TierPolicy.FRONTIER:
        return there
    return here + there if job.tier is TierPolicy.AUTO else here or there


def at_once(config: Config) -> dict[str, int]:
    """How many runs each tier is given at a time."""
    usual = {name: (tier.slots or 1 if tier.is_local else 2) for name, tier in config.tiers.items()}
    return {name: tier.runs_at_once or usual[name] for name, tier in config.tiers.items()}


def job_of(config: JobConfig, home: Path) -> Job:
    """A job of the configuration as the worker's noun: zones named, durations in seconds."""
    kind, _, window = config.missed.partition(":")
    zone = zone_name(config.zone)
    every = config.every or (config.watch.every if config.watch else None)
    return Job(
        name=config.name,
        prompt=config.prompt,
        every_seconds=every,
        cron=config.cron,
        zone=zone,
        watch=watch_of(config),
        tier=config.tier,
        model=config.model,
        deliver=config.deliver,
        each=config.each,
        answer_lines=config.answer_lines,
        output_tokens_max=config.output_tokens_max,
        deadline_seconds=config.deadline,
        missed=f"within:{duration_seconds(window):g}" if kind == "within" else config.missed,
        enabled=config.enabled,
        root=str(files_of(config, home)),
        batch=config.batch,
        split=config.split,
        when_local_is_down=config.when_local_is_down.replace("$", ""),
        terms=terms_of(config),
        at=None if config.at is None else at_of(config.at, zone),
        after=config.after,
        webhook=config.webhook,
        jitter_seconds=config.jitter,
        overlap=config.overlap or "skip",
    )


def retention_of(loaded: Loaded, database: Database, *, clock: Clock, forget: Forget) -> Retention:
    """How long texts of jobs are kept."""
    days = loaded.config.retention
    keep = Keep(days.items_days, days.transcripts_days, days.runs_days, days.quiet_days)
    elsewhere = Elsewhere(forget, loaded.paths.artifacts)
    return Retention(database, clock, keep=keep, elsewhere=elsewhere)


def watch_of(config: JobConfig) -> dict[str, Any] | None:
    """What a job looks at; what is posted to it lies in its inbox already."""
    if config.watch is None:
        return dict(POSTED) if config.webhook else None
    return config.watch.model_dump(mode="json", exclude={"every"})


def channels(loaded: Loaded) -> dict[str, Channel]:
    """The ways out of the machine."""
    return {"webhook": Webhook(), "ntfy": Ntfy(loaded.config.ntfy.url, ntfy_token(loaded))}


def specs_of(loaded: Loaded, named: secrets.Named) -> list[ServerSpec]:
    """The MCP servers of the configuration. None is started before it is used."""
    return server_specs(
        loaded.config.tools.mcp, home=loaded.home, secret=named.get, environment=os.environ
    )


def ntfy_token(loaded: Loaded) -> str:
    """The token of the ntfy server; empty where there is none."""
    place = loaded.config.ntfy.token
    return (secrets.resolve(place, home=loaded.home) if place else None) or ""


def main(arguments: Sequence[str] | None = None, *, clock: Clock | None = None) -> int:
    """Run the worker, by the system's clock if no other is handed in; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m twotier.worker")
    parser.add_argument("--config", required=True, type=Path, help="the configuration file")
    options = parser.parse_args(arguments)
    code = 0
    try:
        loaded = load(options.config.absolute())
        loaded.paths.make()
        log = loaded.config.log
        named = secrets.Named(
            [
                *loaded.config.jobs,
                loaded.config.tools,
                loaded.config.chat,
                loaded.config.work,
            ],
            home=loaded.home,
        )
        start_logging(
            loaded.paths.logs / "worker.log",
            level=log.level,
            bytes_max=log.bytes_max,
            files_kept=log.files_kept,
            secrets=[*named.all(), *hidden(loaded)],
        )
        with only_one(loaded.paths.worker_lock):
            asyncio.run(work(loaded, named, clock=clock or SystemClock()))
    except* TwotierError as group:
        code = complain(group)
    return code


def complain(group: BaseExceptionGroup[TwotierError]) -> int:
    """One line per error on stderr; the exit code of the first."""
    codes = []
    for error in leaves(group):
        print(f"twotier worker: {error}", file=sys.stderr)  # noqa: T201 - it may be before the log
        codes.append(error.exit_code)
    return codes[0]


def leaves(group: BaseExceptionGroup[TwotierError]) -> Iterator[TwotierError]:
    """The errors inside nested groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error


if __name__ == "__main__":
    sys.exit(main())
