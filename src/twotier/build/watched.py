"""A tier whose server somebody else keeps alive: the watch over it, and the way to it."""

from __future__ import annotations

import os
from collections.abc import Callable

from twotier.build.household import Household
from twotier.clock import SystemClock
from twotier.config.schema import TierConfig
from twotier.domain.endpoint import Endpoint
from twotier.domain.tier import TierSpec
from twotier.probing import Probe
from twotier.providers.base import Provider
from twotier.providers.kept import KeptProvider
from twotier.service.command import run
from twotier.service.owners import owner_of
from twotier.supervisor.observed import ObservedSpec, Observer, Vitals, feel

LOAD_SECONDS_MAX = 180.0  # the size of a model of somebody else's is not known


def watched(
    spec: TierSpec, config: TierConfig, *, asked: Provider, house: Household, probe: Probe
) -> tuple[Provider, Observer]:
    """Its provider, which tells the watch what requests meet, and the watch."""
    make: Callable[[Endpoint], Provider] = lambda _: asked  # noqa: E731 - it never moves
    observer = Observer(
        ObservedSpec(
            name=spec.name,
            base_url=(config.base_url or "").rstrip("/"),
            ready=probe.of(spec, make),
            load_seconds_max=config.load_seconds or LOAD_SECONDS_MAX,
        ),
        owner_of(config.owner or "", uid=os.getuid()),
        run=run,
        feel=feel_now,
        clock=house.clock,
        alert=house.alerts,
    )
    house.watches[spec.name] = observer
    wait = config.wait_seconds
    return KeptProvider(observer, make, dialect=asked.dialect, wait_seconds=wait), observer


def feel_now(pid: int) -> Vitals | None:
    """The vitals of a process, now."""
    return feel(pid, now=SystemClock().now().timestamp())
