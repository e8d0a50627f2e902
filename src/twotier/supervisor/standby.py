"""Models that share one place in memory: one of them is loaded, the others stand by.

One is at home there; the others are installed, and loaded in its place when a person says so
(`twotier models use`), or a request for them where their terms allow that. A swap waits until the
loaded model has finished what it is asked, holds back what comes after, ends its server, starts the
other one and is done when that has generated a token. Never are two of them in memory. If the new
one does not come up, the old one is started again, and whoever waited is told why.

Swaps are done by `Place.run` alone; everybody else asks and waits. What is decided stands in
`swap`, how a server is started and ended in `keeper`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from twotier.domain.clock import Clock
from twotier.domain.endpoint import ANY_WORK, Endpoint, Work
from twotier.domain.tier import TierFacts, TierState
from twotier.errors import EngineError, TierUnavailableError
from twotier.supervisor import record
from twotier.supervisor.keeper import Keeper
from twotier.supervisor.policy import Signal, State
from twotier.supervisor.process import Launcher, Running
from twotier.supervisor.spec import Change, KeptSpec
from twotier.supervisor.swap import Scene, Terms, Told, back_in_seconds, following
from twotier.supervisor.swap import told as told_of
from twotier.supervisor.use import Held

RETRY_AFTER_SECONDS = 30.0
GIVE_BACK_SECONDS = 15.0  # the system takes a moment to have the memory of a dead process again
_UP = frozenset({State.READY, State.BUSY})
_AT_REST = frozenset({TierState.DOWN, TierState.QUARANTINED})
_FALLEN = frozenset({State.BACKOFF, State.QUARANTINED, State.STOPPED})


@dataclass(frozen=True, slots=True)
class Swapped:
    """What became of a swap. `failed` is why `after` did not come; then `before` is back."""

    before: str
    after: str
    seconds: float
    failed: str = ""


class Place:
    """One place in memory. `run` must be running for anything to happen.

    `terms` are those of each model that shares it; `told` hears of each swap.
    """

    def __init__(
        self,
        terms: Mapping[str, Terms],
        *,
        home: str,
        clock: Clock,
        told: Callable[[Swapped], None],
        give_back_seconds: float = GIVE_BACK_SECONDS,
    ) -> None:
        self.home = home
        self.loaded = home
        self._terms = terms
        self._clock = clock
        self._told = told
        self._give_back_seconds = give_back_seconds
        self._sharers: dict[str, Sharing] = {}
        self._coming = ""
        self._asked: list[str] = []
        self._by_hand = ""  # the model that a person has asked for
        self._forced: set[str] = set()  # to be loaded whether or not there is room
        self._waiting: dict[str, set[object]] = {name: set() for name in terms}
        self._served: set[object] = set()  # of those who waited, who goes before the next swap
        self._failed: dict[str, tuple[float, str]] = {}
        self._came: str | None = None  # how the one that is coming fared; empty if well
        self._used_at = self._emptied_at = clock.monotonic()
        self._news = asyncio.Event()
        self._alive: list[str] = []  # servers of an earlier main

    @property
    def names(self) -> tuple[str, ...]:
        """The tiers that share it."""
        return tuple(self._terms)

    def add(self, sharer: Sharing, spec: KeptSpec, *, launcher: Launcher) -> None:
        """One of them has its keeper. What an earlier main has left loaded stays so."""
        sharer.sit(self, spec, launcher=launcher)
        self._sharers[spec.name] = sharer
        if sharer.survived:
            self._alive.append(spec.name)
            self.loaded = self.home if self.home in self._alive else self._alive[0]

    # --- what others ask -------------------------------------------------------------------

    async def use(self, name: str, *, force: bool = False) -> None:
        """Have it loaded, whatever its terms; returns when it has generated a token.

        `force`: without asking whether there is room in memory. Raises `TierUnavailableError` with
        the reason where it did not come up; then the old one is started again.
        """
        self._failed.pop(name, None)
        if force and not self.has(name):
            self._forced.add(name)
        self._by_hand = name
        if self.has(name) and name in self._sharers:
            await self._sharers[name].revive()
        elif not self.has(name):
            self._ask(name)
        while name in self._asked or name == self._coming:
            await self._news.wait()
        if name in self._failed:
            raise TierUnavailableError(self._failed[name][1])

    def done_with(self, name: str) -> None:
        """A job that has used this model ends: the one at home comes back, as if much time had
        passed. Not where a person had it loaded, or somebody else is using it.
        """
        lasting = name in (self.home, self._by_hand) or not self._terms[name].back_seconds
        if self.has(name) and not lasting and not self._inside(name):
            self._ask(self.home)

    async def wait_for(self, name: str, *, within_seconds: float) -> None:
        """Return once it is loaded. Raises `TierUnavailableError` if it is not, in time."""
        waiter = object()
        self._waiting[name].add(waiter)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._fetched(name, waiter), within_seconds)
            served = self._lets_in(name, waiter)
        finally:
            # Without a wait from here until it is picked up, so that no swap comes between.
            self._waiting[name].discard(waiter)
            self._served.discard(waiter)
            self._tell()
        if not served:
            soon = None if self._word(name) is Told.REFUSE else RETRY_AFTER_SECONDS
            raise TierUnavailableError(
                f"{name} is not loaded: {self._why(name)}", retry_after_seconds=soon
            )

    async def _fetched(self, name: str, waiter: object) -> None:
        """Have it loaded where its terms allow that; until it is, or will not be."""
        while not self._lets_in(name, waiter):
            word = self._word(name)
            if word is Told.REFUSE:
                return
            if word is Told.FETCH:
                self._ask(name)
            await self._news.wait()

    def _lets_in(self, name: str, waiter: object) -> bool:
        """Who waited for this model is served before the next one is loaded, and only those are."""
        return self.has(name) or (waiter in self._served and not self._coming)

    def has(self, name: str) -> bool:
        """Whether it is the loaded one, and stays so for now."""
        return name == self.loaded and not self._coming and not self._asked

    def shown(self, name: str, facts: TierFacts) -> TierFacts:
        """The facts of one of the tiers, as its place makes them."""
        if self.has(name):
            return facts
        if name != self._coming and name not in self._asked:
            return replace(facts, state=TierState.STANDBY, because=self._why(name), lost=False)
        if facts.state is TierState.COMING_UP:
            return facts
        return replace(facts, state=TierState.COMING_UP, because=self._why(name), lost=False)

    def heard(self, change: Change) -> None:
        """A step in the life of one of the servers."""
        if change.name == self._coming and self._came is None:
            if change.after in _UP:
                self._came = ""
            elif change.after in _FALLEN and not self._giving_back(change):
                self._came = self._sharers[change.name].trouble or change.because
        self._tell()

    def _giving_back(self, change: Change) -> bool:
        """Whether there may be room in a moment, because a server that has just gone had it."""
        since = self._clock.monotonic() - self._emptied_at
        return change.signal is Signal.HELD_UP and since < self._give_back_seconds

    def left(self, name: str) -> None:
        """The last request has left this model."""
        self._used_at = self._clock.monotonic()
        if self._coming or name != self.home:
            self._tell()

    # --- the owner -------------------------------------------------------------------------

    async def run(self) -> None:
        """Swap when it is asked for, and back when nobody needs the other any more."""
        while True:
            back_in = self._back_in()
            name = following(self._scene(), back_in=back_in)
            if name and not self._served:
                await self._swap(name)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(back_in or None):
                    await self._news.wait()

    async def begin(self) -> None:
        """End all but one of what an earlier main left here: two were never meant to be there."""
        alive, self._alive = self._alive, []
        for name in alive:
            if name != self.loaded:
                await self._sharers[name].clear()

    async def _swap(self, name: str) -> None:
        """The other model into this place."""
        before, began, failed = self.loaded, self._clock.monotonic(), ""
        self._coming, self._came = name, None
        self._tell()
        while self._inside(before):
            await self._news.wait()
        try:
            if (leaving := self._sharers.get(before)) is not None:
                await leaving.unload()
            self._emptied_at = self._clock.monotonic()
            await self._load(name)
        except EngineError as exc:
            failed = f"it could not be loaded: {exc.message}; {await self._return(before, name)}"
        self.loaded = before if failed else name
        self._coming = ""
        self._forced.discard(name)
        self._asked = [one for one in self._asked if one not in (name, self.loaded)]
        self._used_at = self._clock.monotonic()
        self._served = set(self._waiting[self.loaded])
        if self.loaded != self._by_hand and before == self._by_hand:
            self._by_hand = ""
        if failed:
            self._failed[name] = (self._used_at, failed)
        self._tell()
        self._told(Swapped(before, name, self._used_at - began, failed))

    async def _load(self, name: str) -> None:
        """Start a server and wait for its first token. Raises `EngineError` if it does not come."""
        coming = self._sharers.get(name)
        if coming is None:
            raise EngineError("its tier could not be built, see `twotier status`")
        self._came = None
        await coming.load(force=name in self._forced)
        try:
            async with asyncio.timeout(coming.seconds_max):
                while (fate := self._fate()) is None:
                    await self._news.wait()
        except TimeoutError as exc:
            raise EngineError(f"no token within {coming.seconds_max:.0f} s") from exc
        if fate:
            raise EngineError(fate)

    async def _return(self, before: str, name: str) -> str:
        """The old model is started again; how it fares is its keeper's to tell. Says so."""
        leaving, coming = self._sharers.get(before), self._sharers.get(name)
        if leaving is None:
            return "nothing is loaded now"
        try:
            if coming is not None:
                await coming.unload()
            await leaving.load()
        except EngineError as exc:  # two of them in memory is what must not be
            return f"and {before} is not started again: {exc.message}"
        return f"{before} is loaded again"

    def _fate(self) -> str | None:
        return self._came

    def _inside(self, name: str) -> int:
        """Requests in one of the models."""
        sharer = self._sharers.get(name)
        return 0 if sharer is None else sharer.inside

    # --- the parts of that -----------------------------------------------------------------

    def _ask(self, name: str) -> None:
        if name not in self._asked and name != self._coming:
            self._asked.append(name)
            self._tell()

    def _tell(self) -> None:
        """Wake everybody who waits for a change."""
        self._news.set()
        self._news = asyncio.Event()

    def _scene(self) -> Scene:
        return Scene(self.home, self.loaded, self._coming, tuple(self._asked))

    def _word(self, name: str) -> Told:
        failed = self._failed.get(name)
        seconds = None if failed is None else self._clock.monotonic() - failed[0]
        return told_of(name, self._scene(), terms=self._terms[name], failed_seconds=seconds)

    def _back_in(self) -> float | None:
        if self.home not in self._sharers:
            return None
        idle = None if self._inside(self.loaded) else self._clock.monotonic() - self._used_at
        return back_in_seconds(self._scene(), terms=self._terms[self.loaded], idle_seconds=idle)

    def _why(self, name: str) -> str:
        """Why a model is not the loaded one, for people."""
        if name == self._coming or name in self._asked:
            return f"waiting until {self.loaded} has ended ({self._inside(self.loaded)} answers)"
        if other := self._coming or next(iter(self._asked), ""):
            return f"{other} is being loaded"
        if (failed := self._failed.get(name)) and self._word(name) is Told.REFUSE:
            return failed[1]
        if name != self.home:
            how = "" if self._terms[name].on_request else f"; `twotier models use {name}` loads it"
            return f"{self.loaded} is loaded{how}"
        back_in = self._back_in()
        back = "" if back_in is None else f", and this comes back in {back_in:.0f} s without work"
        return f"{self.loaded} is loaded in its place{back}"


class Sharing(Keeper):
    """A keeper whose server may run only while its model has the place."""

    inside = 0  # requests
    _place: Place
    _shared: KeptSpec
    _launches: Launcher

    def sit(self, place: Place, spec: KeptSpec, *, launcher: Launcher) -> None:
        """Share this place; said before anything runs."""
        self._place, self._shared, self._launches = place, spec, launcher

    async def ensure_ready(self, *, within_seconds: float) -> Endpoint:
        """Where it listens, once it is loaded and ready."""
        if not self._place.has(self._shared.name):
            await self._place.wait_for(self._shared.name, within_seconds=within_seconds)
        return await super().ensure_ready(within_seconds=within_seconds)

    def facts(self) -> TierFacts:
        """What to show."""
        return self._place.shown(self._shared.name, super().facts())

    def pick_up(self, work: Work = ANY_WORK) -> Held:
        """A request enters."""
        self.inside += 1
        return super().pick_up(work)

    def laid_down(self, held: Held) -> None:
        """A request has left."""
        self.inside -= 1
        super().laid_down(held)
        if not self.inside:
            self._place.left(self._shared.name)

    async def restart(self, *, force: bool = False) -> None:
        """Start it anew if it has the place, else have it loaded."""
        if self._place.has(self._shared.name):
            await super().restart(force=force)
        else:
            await self._place.use(self._shared.name, force=force)

    async def run(self) -> None:
        """Keep it; stopped, as long as another model is loaded."""
        await self._place.begin()
        if self._place.loaded != self._shared.name:
            await self.unload()
        await super().run()

    async def load(self, *, force: bool = False) -> None:
        """Start its server."""
        await super().restart(force=force)

    @property
    def trouble(self) -> str:
        """Why it does not run, in the words of whoever knows best."""
        return self._gate.held or self._toll.death.cause

    async def revive(self) -> None:
        """See that it runs: somebody may have stopped it. Raises `TierUnavailableError`."""
        if super().facts().state in _AT_REST:
            await self.load()
        await super().ensure_ready(within_seconds=self.seconds_max)

    async def unload(self) -> None:
        """End its server."""
        await super().stop()

    @property
    def seconds_max(self) -> float:
        """The longest time until its first token, and what a keeper needs round it."""
        return self._shared.load_seconds_max + self._shared.stop_grace_seconds + 60.0

    @property
    def survived(self) -> bool:
        """Whether a server of an earlier main's is alive."""
        found = self._left_behind()
        if found is not None:
            found.release()
        return found is not None

    async def clear(self) -> None:
        """End a server of an earlier main's."""
        found = self._left_behind()
        if found is not None:
            await found.end(grace_seconds=self._shared.stop_grace_seconds)
            found.release()
        record.remove(self._shared.record_path)

    def _left_behind(self) -> Running | None:
        found = record.read(self._shared.record_path)
        if found is None:
            return None
        return self._launches.adopt(found.pid, created=found.created, on_exit=lambda _: None)
