"""Whether a process may be started now: its port is free and there is room in memory.

Asked before every start, the first one too. Who is held up stands in backoff, says why, and looks
again, later each time. A person may force one start by name past the question of memory; a stranger
on the port is never pushed aside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from twotier.domain.alert import Alert
from twotier.domain.clock import Clock
from twotier.supervisor import policy, port
from twotier.supervisor.around import Around
from twotier.supervisor.child import Child
from twotier.supervisor.memory import MemoryNow
from twotier.supervisor.pressure import Pressure
from twotier.supervisor.room import gb
from twotier.supervisor.spec import KeptSpec, Need


class Gate:
    """`held` is why the last start was not let through; empty once one was."""

    def __init__(self, spec: KeptSpec, clock: Clock, *, around: Around) -> None:
        self._spec = spec
        self._clock = clock
        self._around = around
        self.held = ""
        self.times = 0
        self.forced = False
        self.pressed = False
        self.smaller = 0  # how often its caches are halved in the start that was let through
        self._need: Need | None = None
        self._wired_before: int | None = None
        self._wired_now = 0
        self._told_wired = False
        self._told_port = False

    async def foresee(self) -> None:
        """Ask what it will take; also of one that is adopted, so that its growth has room."""
        self._need = await asyncio.to_thread(self._spec.need, 0)

    async def shut(self, child: Child, *, smaller: int) -> str:
        """Why it cannot be started now; empty if it may, with its caches halved `smaller` times or,
        where only that fits, more often.
        """
        self._around.room.left(self._spec.name)
        self.smaller = smaller
        self.held = await self._port_taken() or await self._no_room(child)
        self.times = self.times + 1 if self.held else 0
        return self.held

    def passed(self, child: Child, *, adopted: bool = False) -> None:
        """It was started, or an earlier one adopted: what it will take is promised to it."""
        self.held, self.times, self.forced, self.pressed = "", 0, False, False
        self._told_port = False
        self._wired_before = None if adopted else self._wired_now
        self._around.room.promise(self._spec.name, self._need, resident=child.resident_bytes)

    def press(self, because: str) -> None:
        """It has to go because memory is tight, and stays away until it is not."""
        self.held, self.pressed = because, True

    def delay_seconds(self, random: Callable[[], float]) -> float:
        """How long until the next look."""
        return policy.delay_seconds(self.times, random)

    async def _port_taken(self) -> str:
        spec = self._spec
        if not spec.port or await port.freed(
            spec.port, within_seconds=spec.port_seconds_max, clock=self._clock
        ):
            return ""
        text = await asyncio.to_thread(port.stranger, spec.port)
        if not self._told_port:
            self._told_port = True
            self._around.alert(Alert(spec.name, "port", text))
        return text

    async def _no_room(self, child: Child) -> str:
        self._need = await asyncio.to_thread(self._spec.need, self.smaller)
        now = await self._around.room.look() if self._need else None
        if self._need is None or now is None:
            return ""
        self._wired_now = now.wired_bytes
        wired = self._stranded(child, self._need)
        if self.forced:
            return ""
        if self.pressed and now.pressure is not Pressure.NORMAL:
            return "unloaded because memory is tight, and it still is" + wired
        lack = await self._lack(now)
        return lack + wired if lack else ""

    async def _lack(self, now: MemoryNow) -> str:
        """Look for the largest size that fits; the sentence is about the one that was wanted."""
        room, name, least = self._around.room, self._spec.name, ""
        levels = range(self.smaller, policy.SMALLER_MAX + 1) if self._spec.squeezed else [0]
        for level in levels:
            need = await asyncio.to_thread(self._spec.need, level)
            if need is None or not (lack := await room.lacks(name, need, now=now)):
                self.smaller, self._need = level, need
                return ""
            least = least or lack
        return least

    def _stranded(self, child: Child, need: Need) -> str:
        """A word about memory that stayed wired after the engine's end; told to a person once."""
        if self._wired_before is None or child.gone_at is None:
            return ""
        if self._clock.monotonic() - child.gone_at < policy.STRANDED_AFTER_SECONDS:
            return ""
        left = policy.stranded_bytes(self._wired_before, self._wired_now, expected=need.total_bytes)
        if not left:
            return ""
        text = f"{gb(left)} stay wired after its end; only a reboot of the machine frees them"
        if not self._told_wired:
            self._told_wired = True
            self._around.alert(Alert(self._spec.name, "wired-memory", text))
        return f"; {text}"
