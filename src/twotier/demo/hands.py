"""A wall clock that is turned from outside: its hands lie in a file that processes share.

Only the time of day is turned. Durations stay real, so that whatever waits for a real process,
with a real limit, waits as it always does; but nobody sleeps through a turn of the hands.
"""

from __future__ import annotations

import asyncio
import mmap
import struct
import time
from datetime import UTC, datetime
from pathlib import Path

from twotier.clock import SystemClock

FORM = struct.Struct("d")  # seconds that the wall clock is ahead
LOOK_SECONDS = 0.05


class Hands:
    """The file; who made it turns it, and others look."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), FORM.size)

    @classmethod
    def made(cls, path: Path, *, ahead_seconds: float) -> Hands:
        """A new file."""
        path.write_bytes(FORM.pack(ahead_seconds))
        return cls(path)

    @property
    def ahead_seconds(self) -> float:
        """How far they have been turned. Eight aligned bytes are never half written."""
        found: float = FORM.unpack_from(self._map)[0]
        return found

    def turn(self, seconds: float) -> None:
        """Let so much time of day pass at once."""
        FORM.pack_into(self._map, 0, self.ahead_seconds + seconds)

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()


class TurnedClock:
    """`domain.clock.Clock` by these hands."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._real = SystemClock()

    def now(self) -> datetime:
        """The wall time, aware, in UTC."""
        real = self._real.now().timestamp()
        return datetime.fromtimestamp(real + self._hands.ahead_seconds, UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait so long in real time, or until the hands were turned over it."""
        over = self._passed() + seconds
        while (left := over - self._passed()) > 0:  # noqa: ASYNC110 - see below
            # The hands are turned in another process: nothing here can be waited for.
            await asyncio.sleep(min(left, LOOK_SECONDS))

    def _passed(self) -> float:
        return self.monotonic() + self._hands.ahead_seconds
