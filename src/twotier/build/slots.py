"""Which tiers have slots, and how many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from twotier.config.schema import TierConfig
from twotier.domain.clock import Clock
from twotier.exchange import Tier
from twotier.router.line import Line
from twotier.slots import Slots
from twotier.supervisor.policy import State
from twotier.supervisor.spec import Change

FALLEN = frozenset({State.DEGRADED, State.BACKOFF, State.QUARANTINED})
Listen = Callable[[str, Callable[[Change], None]], None]


def slots_of(tier: Tier, config: TierConfig) -> int | None:
    """How many requests it is given at a time; None for any number.

    A server that we start is told how many it works on at a time, and would hold the others in a
    line of its own, which knows nothing of clients. Of all other servers only the owner can know.
    """
    return config.slots or (tier.spec.parallel if tier.kept else None)


def limited(tier: Tier, config: TierConfig, *, clock: Clock) -> Tier:
    """The tier with its slots; the very same where it needs none."""
    count = slots_of(tier, config)
    if count is None:
        return tier
    slots = Slots(
        Line(count, config.waiting_max),
        tier.facts,
        now=clock.monotonic,
        wait_seconds=config.wait_seconds,
    )
    return replace(tier, slots=slots, facts=slots.told)


def ease_in(tiers: Mapping[str, Tier], listen: Listen) -> None:
    """A server that died is given little at first. `listen` tells of each step in its life."""
    for name, tier in tiers.items():
        if tier.kept and tier.slots is not None:
            listen(name, partial(hear, tier.slots))


def hear(slots: Slots, change: Change) -> None:
    """One step of its server's life. A stop that somebody asked for is no reason for care."""
    if change.after in FALLEN:
        slots.fallen()
