"""`twotier up`: from nothing to a running program in the foreground.

The first time it writes a configuration; every time it looks whether what the tiers need (engine
environments, the starter model) is there, and only then hands over to `twotier.app`. What it says
at the end fits ten lines.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from twotier.build.clients import check_reach
from twotier.build.heart import Kept
from twotier.cli.output import columns, say
from twotier.cli.peers import main_of
from twotier.cli.prepare import prepare, write_first
from twotier.clock import SystemClock
from twotier.config.load import Loaded, load
from twotier.config.secrets import how_to_set
from twotier.config.starter import FRONTIER_KEY
from twotier.config.watch import AnyWatch, FilesWatch
from twotier.config.work import JobConfig
from twotier.config.zones import zone_name
from twotier.errors import AlreadyRunningError, NotRunningError
from twotier.jobs.schedule import at_of, cron_after, every_after
from twotier.service.notify import Notifier

TIERS_SHOWN = 3


def up(config: Path, *, by_service: bool = False) -> int:
    """Write, prepare, run; returns when twotier was stopped. `by_service`: launchd or systemd
    started us, and may begin anew after a signal.
    """
    refuse_second(config)
    if not config.exists():
        write_first(config)
    loaded = load(config)
    loaded.paths.make()
    check_reach(loaded)
    kept = Kept(Notifier.taken(os.environ, pid=os.getpid()), by_service)
    kept.notifier.status("preparing what the tiers need")
    if by_service:
        faulthandler.enable()  # a watchdog that ends us leaves in the log where we hung
    prepare(loaded)
    kept.notifier.status("starting")
    from twotier.app import run
    from twotier.build.memory import few_arenas

    few_arenas()
    return run(
        loaded,
        on_ready=partial(announce, loaded, notifier=kept.notifier),
        on_stopping=partial(say_stopping, kept.notifier),
        kept=kept,
    )


def say_stopping(notifier: Notifier, under_way: int) -> None:
    """What Ctrl-C does now, where it does not end at once."""
    notifier.stopping("letting answers finish" if under_way else "stopping")
    if under_way:
        answers = "1 answer is" if under_way == 1 else f"{under_way} answers are"
        say(f"stopping: {answers} still on the way; Ctrl-C again ends at once")
    else:
        say("stopping")


def refuse_second(config: Path) -> None:
    """Say so before minutes of preparing; the lock in `app` is what really decides."""
    try:
        running = main_of(config).get("/control/status")
    except NotRunningError:
        return
    raise AlreadyRunningError(
        f"twotier is already running (pid {running['pid']}); see `twotier status`"
    )


def announce(loaded: Loaded, status: Mapping[str, Any], *, notifier: Notifier) -> None:
    """Tell who started us, print the banner."""
    notifier.ready(f"listening at {status['address']}")
    coming = next_job(loaded.config.jobs, SystemClock().now())
    for line in banner(loaded, status, next_job=coming):
        print(line, flush=True)


def banner(loaded: Loaded, status: Mapping[str, Any], *, next_job: str | None) -> list[str]:
    """What a person needs now, in under ten lines. `status` is as on `/control/status`."""
    tiers = status["tiers"]
    shown = [
        ("", tier["name"], tier["state"], tier["ref"], (tier.get("memory") or {}).get("text", ""))
        for tier in tiers[:TIERS_SHOWN]
    ]
    more = len(tiers) - len(shown)
    return [
        f"twotier {status['version']} at {status.get('public_url') or status['address']}",
        *columns(shown),
        *([f"  and {more} more: `twotier status`"] if more else []),
        *key_lines(loaded, tiers),
        f"clients send the token in {loaded.paths.client_key}: `twotier key show`",
        f"next job: {next_job}" if next_job else "no jobs yet: add [[jobs]]",
        "pages: `twotier dashboard`",
        f"settings: {loaded.path}; stop with Ctrl-C or `twotier down`",
    ]


def key_lines(loaded: Loaded, tiers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where the keys go that tiers wait for, on one line."""
    said = [
        f"{tier['name']}: `{how_to_set(place, home=loaded.home)}`"
        for tier in tiers
        if tier["state"] == "no-key"
        for place in [loaded.config.tiers[tier["name"]].key or FRONTIER_KEY]
    ]
    seen = "a file is seen at once, an export by the next `twotier up`"
    return [f"keys that are missing ({seen}): {'; '.join(said)}"] if said else []


def next_job(jobs: Sequence[JobConfig], now: datetime) -> str | None:
    """The job that is due first, and when, in words."""
    slots = [(slot, job) for job in jobs if job.enabled and (slot := first_slot(job, now))]
    if not slots:
        return None
    slot, job = min(slots, key=lambda pair: pair[0])
    seen = f", looks {place_of(job.watch)}" if job.watch else ""
    here = slot.astimezone()
    day = "" if here.date() == now.astimezone().date() else f"{here:%Y-%m-%d} "
    return f"{job.name} at {day}{here:%H:%M:%S}{seen}"


def place_of(watch: AnyWatch) -> str:
    """What a job looks at, for a sentence."""
    return f"into {watch.path}/" if isinstance(watch, FilesWatch) else f"for news ({watch.kind})"


def first_slot(job: JobConfig, now: datetime) -> datetime | None:
    """The first slot after `now`, give or take its jitter; None where there is none that is known:
    it is over, or waits for another job or a post.
    """
    every = job.every or (job.watch.every if job.watch else None)
    zone = zone_name(job.zone)
    if every is not None:
        return next(every_after(every, now))
    if job.cron:
        return next(cron_after(job.cron, zone, after=now))
    if job.at is None:
        return None
    at = at_of(job.at, zone)
    return at if at > now else None
