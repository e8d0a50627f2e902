"""How long memory has been tight, and how far down the ladder one kept server is."""

from __future__ import annotations

from twotier.domain.clock import Clock
from twotier.supervisor.pressure import Pressure, Rung, rung
from twotier.supervisor.room import Room


class Ladder:
    """Looks when told to. Each rung is given once for each time that memory gets tight."""

    def __init__(self, clock: Clock, *, room: Room) -> None:
        self._clock = clock
        self._room = room
        self._level = Pressure.NORMAL
        self._since = 0.0
        self._reached = Rung.STAY

    @property
    def level(self) -> Pressure:
        """As it was seen last."""
        return self._level

    def begin(self) -> None:
        """A new life: nothing was asked of it yet. While it loads nobody looks."""
        self._level, self._reached = Pressure.NORMAL, Rung.STAY

    async def look(self, *, idle: bool) -> Rung:
        """The rung to go down to now; `STAY` when there is nothing new to do."""
        level, now = await self._room.pressure(), self._clock.monotonic()
        if level is not self._level:
            self._level, self._since = level, now
        if level is Pressure.NORMAL:
            self._reached = Rung.STAY
        wanted = rung(level, seconds=now - self._since, idle=idle)
        if wanted <= self._reached:
            return Rung.STAY
        self._reached = Rung(self._reached + 1)  # never past one: shrinking comes before unloading
        return self._reached
