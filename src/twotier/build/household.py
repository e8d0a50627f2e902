"""Everybody who minds a server while main runs: the keepers of our own, watches over others'.

`app` says when they begin and when they end; who they are is found here, because the tiers that
need one are built before anything runs. `twotier engine` asks each by its tier's name.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from twotier.alerts.desk import Alerts
from twotier.batch.desk import Desk
from twotier.build.heart import ALONE, Heart, Kept
from twotier.build.log import note_change
from twotier.build.lookout import Lookout
from twotier.build.spare import Spare
from twotier.domain.clock import Clock
from twotier.domain.money import Attempt, Settlement
from twotier.domain.tier import TierFacts, TierState
from twotier.gateway.control_probe import Probing
from twotier.ledger.upkeep import Upkeep
from twotier.outside.auditor import Auditor
from twotier.service.program import EXIT_TOLD
from twotier.supervisor.around import Around
from twotier.supervisor.keeper import Keeper
from twotier.supervisor.memory import reader_here
from twotier.supervisor.memory_course import Sampler
from twotier.supervisor.minder import Died, Minder
from twotier.supervisor.observed import Observer
from twotier.supervisor.process import Processes
from twotier.supervisor.room import Room
from twotier.supervisor.spec import Change, KeptSpec
from twotier.supervisor.standby import Place, Sharing
from twotier.supervisor.traces import coroner_here

FIRST_LOOK_SECONDS = 1.5  # how long the banner waits for local servers that come up quickly


@dataclass(frozen=True, slots=True)
class Ours:
    """`Minder` for a server we keep."""

    keeper: Keeper
    owner: str = "twotier"

    async def start(self, *, force: bool = False) -> None:
        """Start it, if it does not run."""
        await self.keeper.start(force=force)

    async def restart(self, *, force: bool = False) -> None:
        """End it if it runs, and start it anew."""
        await self.keeper.restart(force=force)

    async def stop(self) -> None:
        """End it."""
        await self.keeper.stop()

    def facts(self) -> TierFacts:
        """What to show."""
        return self.keeper.facts()

    def since(self) -> datetime:
        """Since when it has stood so."""
        return self.keeper.since

    def gate(self) -> str:
        """Why a start is held up now."""
        return self.keeper.gate()

    def evidence(self) -> tuple[str, ...]:
        """The end of its log."""
        return self.keeper.last_lines()

    def deaths(self) -> tuple[Died, ...]:
        """Its last deaths, as they were written down."""
        return tuple(
            Died(
                at=one.at,
                cause=one.cause,
                action=one.action,
                evidence=one.evidence,
                exit_code=one.exit_code,
                lived_seconds=one.lived_seconds,
            )
            for one in self.keeper.history()
        )


@dataclass(slots=True)
class Household:
    """The minders by name: one for each tier with a server on this machine, and the worker's.

    `places` are those that tiers share, by the name of each. `leaves`: our servers live on when we
    go, for the next main to adopt.
    """

    clock: Clock
    alerts: Alerts
    places: Mapping[str, Place] = field(default_factory=dict)
    kept: Kept = ALONE
    leaves: bool = field(init=False)
    around: Around = field(init=False)
    keepers: dict[str, Keeper] = field(default_factory=dict)
    watches: dict[str, Observer] = field(default_factory=dict)
    listeners: dict[str, list[Callable[[Change], None]]] = field(default_factory=dict)
    spares: list[Spare] = field(default_factory=list)
    lookout: Lookout | None = None
    upkeep: Upkeep | None = None
    auditor: Auditor | None = None
    desk: Desk | None = None
    sampler: Sampler | None = None
    heart: Heart | None = None
    probing: Probing | None = None
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _swaps: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """One machine for all of them."""
        self.leaves = self.kept.by_service
        self.around = Around(Room(reader_here()), coroner_here(), self.alerts, self.spare)

    async def spare(self) -> str:
        """Have other servers on this machine drop the models that nobody of ours uses."""
        asked = (asyncio.to_thread(one.give_back) for one in self.spares)
        return "; ".join(said for said in await asyncio.gather(*asked) if said)

    def keep(self, spec: KeptSpec) -> Keeper:
        """A keeper that will run with us."""
        place, launcher = self.places.get(spec.name), Processes()
        kind = Keeper if place is None else Sharing
        keeper = kind(
            spec,
            launcher,
            clock=self.clock,
            random=random.random,
            on_change=self._changed,
            around=self.around,
        )
        if place is not None and isinstance(keeper, Sharing):
            place.add(keeper, spec, launcher=launcher)
            self.listen(spec.name, place.heard)
        self.keepers[spec.name] = keeper
        return keeper

    def listen(self, name: str, listener: Callable[[Change], None]) -> None:
        """Have each step in the life of this server told; the listener must not wait."""
        self.listeners.setdefault(name, []).append(listener)

    def _changed(self, change: Change) -> None:
        """A step in the life of a kept process: the log has it first."""
        note_change(change)
        for listener in self.listeners.get(change.name, ()):
            listener(change)

    def begin(self, group: asyncio.TaskGroup) -> None:
        """All of them, as children of this group."""
        self._tasks = [group.create_task(one.run()) for one in self.all]
        self._tasks.append(group.create_task(self.alerts.run(self.lookout)))
        if self.upkeep is not None:
            self._tasks.append(group.create_task(self.upkeep.run()))
        if self.auditor is not None:
            self._tasks.append(group.create_task(self.auditor.run()))
        if self.desk is not None:
            self._tasks.append(group.create_task(self.desk.run()))
        if self.sampler is not None:
            self._tasks.append(group.create_task(self.sampler.run()))
        if self.heart is not None:
            self._tasks.append(group.create_task(self.heart.run()))
        if self.probing is not None:
            self._tasks.append(group.create_task(self.probing.run()))
        self._swaps = [group.create_task(one.run()) for one in set(self.places.values())]

    def hear(self, attempt: Attempt, end: Settlement) -> None:
        """An attempt has ended; never waits."""
        if self.lookout is not None:
            self.lookout.hear(attempt, end)

    async def first_look(self) -> None:
        """Give children a moment, so that the banner can say `ready` where it soon is true."""
        looks = (
            one.ensure_ready(within_seconds=FIRST_LOOK_SECONDS)
            for one in self.all
            if one.facts().state is not TierState.STANDBY
        )
        await asyncio.gather(*looks, return_exceptions=True)

    async def end(self) -> None:
        """No model is loaded any more, every server that is ours ends, then nobody minds any."""
        for task in self._swaps:
            task.cancel()
        if not self.leaves:
            await asyncio.gather(*(one.stop() for one in self.keepers.values()))
        for task in self._tasks:
            task.cancel()

    @property
    def exit_code(self) -> int:
        """Told to go for good, 0; ended by a signal of a service manager's, what says so."""
        return EXIT_TOLD if self.leaves else 0

    @property
    def all(self) -> tuple[Keeper | Observer, ...]:
        """Whoever has to run."""
        return (*self.keepers.values(), *self.watches.values())

    def minders(self, tiers: Iterable[str]) -> dict[str, Minder]:
        """Whoever minds the server of one of these tiers, by its name."""
        ours = {name: Ours(self.keepers[name]) for name in tiers if name in self.keepers}
        return {**ours, **self.watches}
