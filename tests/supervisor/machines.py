"""A machine whose memory, traces and clock are set by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from twotier.domain.alert import Alert
from twotier.supervisor.around import Around
from twotier.supervisor.death import Traces
from twotier.supervisor.memory import Holder, MemoryNow
from twotier.supervisor.pressure import Pressure
from twotier.supervisor.room import Room
from twotier.supervisor.traces import Gone

GB = 1_000_000_000


class HandClock:
    """Goes on when it is turned."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def turn(self, seconds: float) -> None:
        self.seconds += seconds

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.turn(seconds)


@dataclass
class Machine:
    """`MemoryReader`, and what its coroner finds; `unknown`: nobody can tell."""

    total_bytes: int = 32 * GB
    free_bytes: int = 32 * GB
    wired_bytes: int = 0
    level: Pressure = Pressure.NORMAL
    unknown: bool = False
    held: list[Holder] = field(default_factory=list)
    kills: int = 0
    traces: Traces = field(default_factory=Traces)
    traces_later: list[Traces] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    spares: list[str] = field(default_factory=list)

    def look(self) -> MemoryNow | None:
        if self.unknown:
            return None
        return MemoryNow(
            self.total_bytes, self.free_bytes, self.level, wired_bytes=self.wired_bytes
        )

    def pressure(self) -> Pressure:
        return self.level

    def holders(self) -> list[Holder]:
        return self.held

    def around(self) -> Around:
        """The surroundings of a keeper on this machine."""
        return Around(Room(self), Grave(self), self.alerts.append, self.spare)

    async def spare(self) -> str:
        return "; ".join(self.spares)


@dataclass
class Grave:
    """`Coroner` of that machine: each look finds the next of `traces_later`, if there are some."""

    machine: Machine

    def memory_kills(self) -> int:
        return self.machine.kills

    def look(self, gone: Gone) -> Traces:
        later = self.machine.traces_later
        return later.pop(0) if later else self.machine.traces
