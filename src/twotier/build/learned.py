"""Which tiers are learned about, and how the version of each one's server is found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from twotier.build.programs import version_of
from twotier.config.alerts import hours_of
from twotier.config.load import Loaded
from twotier.config.zones import zone_name
from twotier.domain.clock import Clock
from twotier.exchange import Tier
from twotier.learned.speeds import Speeds
from twotier.learned.tiers import Learned
from twotier.router.recheck import Hours
from twotier.supervisor.spec import Change


def learned_of(loaded: Loaded, clock: Clock) -> Learned:
    """Everything that is learned, before any tier is followed."""
    config = loaded.config.routing.record
    hours = hours_of(config.hours)
    learned = Learned(Speeds(clock))
    learned.records.hours = Hours(*hours, zone_name(config.zone)) if hours else None
    learned.records.rechecks = config.recheck
    return learned


def learn_of(tiers: Mapping[str, Tier], *, loaded: Loaded, learned: Learned) -> dict[str, Tier]:
    """The tiers, each followed; local ones wait for a first token as long as they need."""
    return {name: one_of(tier, loaded, learned=learned) for name, tier in tiers.items()}


def one_of(tier: Tier, loaded: Loaded, *, learned: Learned) -> Tier:
    """One tier, followed."""
    config = loaded.config.tiers[tier.spec.name]
    kind = config.engine or config.provider or ""
    version = partial(asyncio.to_thread, version_of, config, loaded)
    learned.follow(tier.spec, engine=kind, version=version, trusted=config.tools is True)
    if not tier.spec.local:
        return tier
    return replace(tier, patience=learned.speeds.patience(tier.spec))


def hear_loads(learned: Learned, listen: Callable[[str, Callable[[Change], None]], None]) -> None:
    """How long each kept server takes to come up is learned from the steps of its life."""
    for name in learned.speeds.paces:
        listen(name, learned.speeds.changed)
