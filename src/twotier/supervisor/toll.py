"""The deaths of one kept process: why each, how many lately, what the next start owes to them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace

from twotier.domain.clock import Clock
from twotier.supervisor import history, policy
from twotier.supervisor.death import Death, Evidence, Kind, Traces, explain, proof
from twotier.supervisor.history import DeathNote
from twotier.supervisor.spec import KeptSpec
from twotier.supervisor.traces import Coroner, Gone

LEARN_SECONDS_MAX = 0.5  # the delay before the next start is 0.75 s at least


class Toll:
    """Counts and explains. The file of the last deaths is its own."""

    def __init__(self, spec: KeptSpec, clock: Clock, *, coroner: Coroner | None) -> None:
        self._spec = spec
        self._clock = clock
        self._coroner = coroner
        self.death = Death("")
        self.died_at = 0.0
        self.ready_at: float | None = None
        self.smaller = 0
        self.smaller_because = ""
        self._evidence: Evidence | None = None
        self._gone = Gone(0, 0.0)
        self._kills_before = 0
        self._deaths: tuple[float, ...] = ()
        self._in_a_row = 0
        self.notes = history.read(spec.deaths_path)

    @property
    def count(self) -> int:
        """Deaths that count towards quarantine."""
        return len(self._deaths)

    def begin(self) -> None:
        """A life begins."""
        self.ready_at = None
        self._kills_before = self._coroner.memory_kills() if self._coroner else 0

    def kills(self) -> int:
        """By how much the system's count of memory kills rose in this life."""
        return (self._coroner.memory_kills() if self._coroner else 0) - self._kills_before

    def forgive(self) -> None:
        """A person wants it started: a new count, and its full size again."""
        self._deaths, self._in_a_row, self.death, self.smaller = (), 0, Death(""), 0
        self.smaller_because = ""
        self._evidence = None

    def bury(self, evidence: Evidence, gone: Gone) -> None:
        """It died: explain it from what is known at once."""
        self._evidence, self._gone = evidence, gone
        self._count(explain(evidence))
        self._write(self._note(evidence))

    def bury_unborn(self, cause: str, kind: Kind = Kind.BROKEN) -> None:
        """It could not be made at all; if it is `BROKEN`, the same would happen again."""
        self._evidence = None
        self._count(Death(cause, kind))
        self._write(self._note(Evidence(None, 0.0)))

    def _count(self, death: Death) -> None:
        now = self._clock.monotonic()
        ready_seconds = 0.0 if self.ready_at is None else now - self.ready_at
        self.death, self.died_at = death, now
        self._deaths = (*policy.recent(self._deaths, now=now), now)
        self._in_a_row = policy.in_a_row(self._in_a_row, ready_seconds=ready_seconds)

    async def learn(self) -> None:
        """What the system knows of it, asked for a moment; may explain the same death anew.

        Where it says nothing yet (a JetsamEvent report comes seconds later) the first word stands,
        and it is asked again before the next start.
        """
        if self._coroner is None or self._evidence is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEARN_SECONDS_MAX):
                traces = await asyncio.to_thread(self._coroner.look, self._gone)
                self._evidence = replace(self._evidence, traces=traces)
        death = explain(self._evidence)
        if self._evidence.traces != Traces():
            self.death = death
            self._write(self._note(self._evidence), instead=True)

    async def ask_again(self) -> None:
        """Before the next start: a report that was not there yet may be there now."""
        if self.death.kind is Kind.KILLED:
            await self.learn()
            self.settle()  # nothing, unless it has another kind now

    def settle(self) -> None:
        """What the death asks of the next start."""
        if self.death.remedy.smaller:
            self.start_smaller(self.death.cause)

    def start_smaller(self, because: str) -> None:
        """The next start has half the caches, where its command can say so."""
        if self._spec.squeezed is not None and self.smaller < policy.SMALLER_MAX:
            self.smaller, self.smaller_because = self.smaller + 1, because

    def squeezed(self, level: int) -> str:
        """Why a life has its caches halved so often, empty where it has not."""
        if level > self.smaller:
            return "there was no room for more when it was started"
        return self.smaller_because if level else ""

    def hopeless(self) -> bool:
        """Whether another start would only be the next lap of a loop."""
        return self.death.hopeless or policy.too_many(self._deaths, now=self._clock.monotonic())

    def delay_seconds(self, random: Callable[[], float]) -> float:
        """How long to wait before the next start."""
        return policy.delay_seconds(self._in_a_row + self.death.remedy.doublings, random)

    def _note(self, evidence: Evidence) -> DeathNote:
        return DeathNote(
            at=self._clock.now(),
            cause=self.death.cause,
            kind=self.death.kind,
            action=self.death.remedy.action,
            evidence=proof(evidence),
            exit_code=evidence.exit_code,
            lived_seconds=round(evidence.lived_seconds, 1),
        )

    def _write(self, note: DeathNote, *, instead: bool = False) -> None:
        """A history that cannot be written costs no restart."""
        before = self.notes[:-1] if instead else self.notes
        if instead and self.notes:
            note = replace(note, at=self.notes[-1].at)
        self.notes = (*before, note)[-history.KEPT :]
        with contextlib.suppress(OSError):
            history.write(self._spec.deaths_path, self.notes)
