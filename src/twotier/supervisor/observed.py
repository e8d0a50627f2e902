"""A watch over a server that somebody else keeps: launchd, systemd, or a person.

It is looked at as a keeper looks at its own: by one generated token. Its owner is asked what he
knows when no token comes, and at most asked to start it anew (`nudge` decides). Nothing here starts
or ends a process. While requests of ours make progress there is no look: they are the proof.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import psutil

from twotier.domain.alert import Alert
from twotier.domain.clock import Clock
from twotier.domain.endpoint import ANY_WORK, Endpoint, Work
from twotier.domain.tier import TierFacts, TierState
from twotier.errors import EngineError, TierUnavailableError
from twotier.supervisor.around import unheard
from twotier.supervisor.minder import Died
from twotier.supervisor.nudge import Nudges, Seen, Standing, Verdict, judge
from twotier.supervisor.owner import UNTOLD, Owner, Run, Told
from twotier.supervisor.probe import Ask, listens, until_answered
from twotier.supervisor.use import Held

log = logging.getLogger("twotier.supervisor")

SUSPICION_SECONDS = 1.0  # how often we ask ourselves whether somebody suspects it
_SHOWN = {
    Standing.READY: TierState.READY,
    Standing.BUSY: TierState.COMING_UP,
    Standing.LOADING: TierState.COMING_UP,
    Standing.AWAITED: TierState.COMING_UP,
    Standing.DOWN: TierState.DOWN,
    Standing.HUNG: TierState.DOWN,
    Standing.GIVEN_UP: TierState.QUARANTINED,
}
_LOST = frozenset({Standing.AWAITED, Standing.DOWN, Standing.HUNG, Standing.GIVEN_UP})


@dataclass(frozen=True, slots=True)
class ObservedSpec:
    """What is watched, and how often. `ready` raises until it has generated a token."""

    name: str
    base_url: str
    ready: Ask
    load_seconds_max: float = 180.0
    look_seconds_max: float = 15.0
    look_every_seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class Vitals:
    """Of a process: how long it has run, and the seconds of a core it has used."""

    age_seconds: float
    cpu_seconds: float


Feel = Callable[[int], Vitals | None]


class Observer:
    """`domain.endpoint.Kept` for a server that is not ours. `run` must be running."""

    def __init__(
        self,
        spec: ObservedSpec,
        owner: Owner,
        *,
        run: Run,
        feel: Feel,
        clock: Clock,
        alert: Callable[[Alert], None] = unheard,
    ) -> None:
        self._owner = owner
        self._spec = spec
        self._run = run
        self._feel = feel
        self._clock = clock
        self._alert = alert
        self._endpoint = Endpoint(spec.base_url, 1)
        self._facts = TierFacts(spec.name, TierState.COMING_UP, "not looked at yet")
        self._since = clock.now()
        self._looked = False
        self._news = asyncio.Event()
        self._nudges = Nudges()
        self._told = UNTOLD
        self._suspicion = ""
        self._uses = 0
        self._listens = False
        self._progress_at = -spec.look_every_seconds

    # --- what others ask -------------------------------------------------------------------

    async def ensure_ready(self, *, within_seconds: float) -> Endpoint:
        """Where it listens. One that is coming up is waited for, one that is down is not."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                while self._facts.state is TierState.COMING_UP:
                    await self._news.wait()
        if self._facts.state is TierState.READY or not self._looked:
            return self._endpoint
        raise TierUnavailableError(
            f"{self._spec.name} is not ready: {self._facts.because}; see `twotier engine why`",
            retry_after_seconds=self._spec.look_every_seconds,
        )

    def facts(self) -> TierFacts:
        """What to show."""
        return self._facts

    @property
    def owner(self) -> str:
        """Whose server it is."""
        return self._owner.name

    def since(self) -> datetime:
        """Since when it has stood so, as far as we looked."""
        return self._since

    def gate(self) -> str:
        """Its memory is for its owner to judge."""
        return ""

    def evidence(self) -> tuple[str, ...]:
        """What its owner said last, and where he keeps its output."""
        return (*self._told.evidence, f"its log: {self._owner.log(self._told)}")

    def deaths(self) -> tuple[Died, ...]:
        """Its owner counts them."""
        return ()

    def suspect(self, because: str) -> None:
        """A request failed as if it were dead: look now."""
        self._suspicion = because

    def pick_up(self, work: Work = ANY_WORK) -> Held:
        """A request enters. That is no sign of life: it may be the third that nobody answers."""
        self._uses += 1
        return Held(self, work)

    def progressed(self) -> None:
        """A request's bytes came."""
        self._progress_at = self._clock.monotonic()

    def laid_down(self, held: Held) -> None:  # noqa: ARG002 - it is only counted
        """A request has left."""
        self._uses -= 1

    async def start(self, *, force: bool = False) -> None:  # noqa: ARG002 - its memory is his to judge
        """Ask the owner to start it. Raises `EngineError` where he cannot, or does not."""
        await self._order(self._owner.start(), "started")

    async def restart(self, *, force: bool = False) -> None:  # noqa: ARG002 - as above
        """Ask the owner to start it anew; also the way out after too many nudges."""
        self._nudges = Nudges()
        await self._order(self._owner.restart(), "started anew")

    async def stop(self) -> None:
        """It is not ours to end. Raises `EngineError` that says how its owner does it."""
        raise EngineError(
            f"{self._spec.name} belongs to {self._owner.name}; to end it: {self._owner.stop()}"
        )

    # --- the watch ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            quiet = self._clock.monotonic() - self._progress_at
            if quiet < self._spec.look_every_seconds and not self._suspicion:
                self._show(Verdict(Standing.READY))
            else:
                await self._look()
            await self._pause()

    async def _look(self) -> None:
        began = self._clock.monotonic()
        self._suspicion = ""
        pid = self._told.pid
        before = self._feel(pid) if pid else None
        failed = await self._unanswered()
        if self._uses and self._progress_at > began:
            failed = ""  # a request of ours got its bytes meanwhile: it was busy with that
        self._told = await self._asked() if failed or self._owner.question else UNTOLD
        before = before if pid == self._told.pid else None
        seen = self._seen(failed, before, seconds=self._clock.monotonic() - began)
        verdict, self._nudges = judge(
            seen,
            self._nudges,
            now=self._clock.monotonic(),
            load_seconds=self._spec.load_seconds_max,
            owner=self._owner.name,
        )
        self._show(verdict)
        if verdict.nudge and self._owner.restart():
            with contextlib.suppress(EngineError):  # said in the log; the next look sees the rest
                await self._order(self._owner.restart(), "hung, so it was started anew")

    async def _unanswered(self) -> str:
        """Why no token came, empty if one did. A closed port is no silence: it says so at once."""
        where = urlsplit(self._spec.base_url)
        self._listens = await listens(where.hostname or "", where.port or 0)
        if not self._listens:
            return f"nothing listens on port {where.port}"
        return await until_answered(
            self._spec.ready,
            self._endpoint,
            within_seconds=self._spec.look_seconds_max,
            clock=self._clock,
        )

    def _seen(self, failed: str, before: Vitals | None, *, seconds: float) -> Seen:
        pid = self._told.pid
        after = self._feel(pid) if failed and pid else None
        in_use = self._uses > 0 and self._listens
        if after is None:
            return Seen(failed, self._told, in_use=in_use)
        share = (after.cpu_seconds - before.cpu_seconds) / seconds if before else None
        return Seen(failed, self._told, after.age_seconds, share, in_use=in_use)

    async def _asked(self) -> Told:
        if not self._owner.question:
            return UNTOLD
        return self._owner.read(await asyncio.to_thread(self._run, self._owner.question))

    async def _order(self, command: tuple[str, ...], done: str) -> None:
        """Have the owner do it. Raises `EngineError` with what he said."""
        name = self._spec.name
        if not command:
            raise EngineError(f"{name} belongs to {self._owner.name}; start it where it runs")
        said = await asyncio.to_thread(self._run, command)
        if said.code != 0:
            words = said.err.strip() or said.out.strip() or f"exit code {said.code}"
            log.warning("an owner refused", extra={"child": name, "because": words})
            raise EngineError(f"`{' '.join(command)}` failed: {words}")
        log.info("an owner was asked", extra={"child": name, "done": done, "command": command})
        self._suspicion = done
        self._facts = TierFacts(name, TierState.COMING_UP, f"{done} by {self.owner}")
        self._since = self._clock.now()

    def _show(self, verdict: Verdict) -> None:
        state, because = _SHOWN[verdict.standing], verdict.because
        before = self._facts
        lost = verdict.standing in _LOST
        pid = self._told.pid
        self._looked = True
        self._facts = TierFacts(self._spec.name, state, because, pid, self._spec.base_url, lost)
        if verdict.standing is Standing.GIVEN_UP and before.state is not state:
            self._alert(Alert(self._spec.name, "hung", because))
        if before.state is not state:
            self._since = self._clock.now()
            text = f"{self._spec.name}: {verdict.standing.value}"
            log.info(text, extra={"because": because})
        self._news.set()
        self._news = asyncio.Event()

    async def _pause(self) -> None:
        """Until the next look is due, or somebody suspects it."""
        waited = 0.0
        while waited < self._spec.look_every_seconds and not self._suspicion:
            await self._clock.sleep(SUSPICION_SECONDS)
            waited += SUSPICION_SECONDS


def feel(pid: int, *, now: float) -> Vitals | None:
    """The vitals of a process; `now` in seconds since the epoch. None if there is none to see."""
    try:
        process = psutil.Process(pid)
        used = process.cpu_times()
        return Vitals(max(0.0, now - process.create_time()), used.user + used.system)
    except psutil.Error:
        return None
