"""The answers on their way: none takes longer than it may, and a process that stops ends them.

One timer for all of them, because every answer may take equally long: the oldest is due first. An
answer whose time is over is cancelled, and asks here whether that is why.
"""

from __future__ import annotations

import asyncio

from twotier.gateway.refusals import Refusals

LOOK_SECONDS = 1.0


class Live:
    """Shared by all model routes of a process."""

    def __init__(self, total_seconds_max: float, refusals: Refusals) -> None:
        self.total_seconds_max = total_seconds_max
        self.refusals = refusals
        self.begun = 0
        self.ending = False
        self._due: dict[asyncio.Task[object], float] = {}
        self._over: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def under_way(self) -> int:
        """Answers that are on their way now."""
        return len(self._due)

    def begin(self, task: asyncio.Task[object]) -> None:
        """`task` begins to answer."""
        loop = asyncio.get_running_loop()
        self.begun += 1
        self._due[task] = loop.time() + self.total_seconds_max
        if self._timer is None:
            self._timer = loop.call_later(min(LOOK_SECONDS, self.total_seconds_max), self._look)

    def done(self, task: asyncio.Task[object]) -> None:
        """It has ended."""
        self._due.pop(task, None)
        self._over.discard(task)

    def ended(self, task: asyncio.Task[object]) -> bool:
        """Whether it was cancelled from here, and not because its client left."""
        return task in self._over

    def end(self) -> None:
        """End them all with an error their clients see: the process stops."""
        self.ending = True
        for task in self._due:
            self._cancel(task)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        for task, due in self._due.items():
            if due > loop.time():
                break
            self._cancel(task)
        if self._due:
            self._timer = loop.call_later(LOOK_SECONDS, self._look)

    def _cancel(self, task: asyncio.Task[object]) -> None:
        if task not in self._over:
            self._over.add(task)
            task.cancel()
