"""Whether there is room for a server before it is started: the gate.

No other supervisor asks this before a restart, and so a server that the system has killed for its
memory is started into the same death again, 233 times in one report. Here a start needs what was
predicted and the headroom to be free; else it is held up, with the sentence who holds the memory.

One `Room` for all keepers: what one of them was let in for and has not taken yet is not free for
the next. What nobody can tell (no reader, no prediction) holds nobody up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from twotier.supervisor.memory import Holder, MemoryNow, MemoryReader
from twotier.supervisor.pressure import Pressure
from twotier.supervisor.spec import Need

HOLDERS_NAMED = 3


@dataclass(slots=True)
class Room:
    """What was promised, by the name of the kept process."""

    reader: MemoryReader | None = None
    promised: dict[str, tuple[int, Callable[[], int]]] = field(default_factory=dict)

    async def look(self) -> MemoryNow | None:
        """The memory now; None where nobody can tell."""
        return await asyncio.to_thread(self.reader.look) if self.reader else None

    async def pressure(self) -> Pressure:
        """How tight it is now."""
        return await asyncio.to_thread(self.reader.pressure) if self.reader else Pressure.NORMAL

    async def lacks(self, name: str, need: Need, *, now: MemoryNow) -> str:
        """Why there is no room for it; empty where there is."""
        waiting = await self.outstanding(but=name)
        if need.total_bytes + need.headroom_bytes + waiting <= now.free_bytes:
            return ""
        return shortage(need, now, waiting=waiting, holders=await asyncio.to_thread(self._holders))

    def _holders(self) -> Sequence[Holder]:
        return self.reader.holders() if self.reader else ()

    def promise(self, name: str, need: Need | None, *, resident: Callable[[], int]) -> None:
        """It was let in: what it has not taken yet is kept for it."""
        if need is not None:
            self.promised[name] = (need.total_bytes, resident)

    def left(self, name: str) -> None:
        """It is gone."""
        self.promised.pop(name, None)

    async def outstanding(self, *, but: str) -> int:
        """Promised to others and not taken yet. What they hold is asked in a thread; who was let in
        meanwhile has taken nothing, so two that look at once never both get the same room.
        """
        asked = [one for name, one in self.promised.items() if name != but]
        held = await asyncio.to_thread(lambda: {id(one): one[1]() for one in asked})
        now = (one for name, one in self.promised.items() if name != but)
        return sum(max(0, one[0] - held.get(id(one), 0)) for one in now)


def shortage(need: Need, now: MemoryNow, *, waiting: int, holders: Sequence[Holder]) -> str:
    """The sentence: what it needs, what there is, and who has the rest."""
    wants = f"it needs {gb(need.total_bytes)} and {gb(need.headroom_bytes)} of headroom"
    if need.total_bytes + need.headroom_bytes > now.total_bytes:
        return (
            f"{wants}, and {now.bound_by} has {gb(now.total_bytes)} in all: it cannot fit; choose"
            " a smaller model or window (`twotier models fit`)"
        )
    others = f", {gb(waiting)} of it promised to other servers" if waiting else ""
    named = ", ".join(
        f"{one.name} ({gb(one.bytes_now)}, pid {one.pid})" for one in holders[:HOLDERS_NAMED]
    )
    most = f"; most is held by {named}" if named else ""
    return f"{wants}, and {gb(now.free_bytes)} are free of {now.bound_by}{others}{most}"


def gb(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / 1e9:.1f} GB"
