"""What the manager that started us hears: that we are alive, and in one line how we are.

The watchdog is told only while the loop runs and the ledger's writer answers. A main whose loop
hangs, or whose writer does, is of no use to anybody, looks well from outside, and is the one thing
that main itself cannot mend: its manager ends it, and the next one adopts its model servers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from twotier.build.worker import WORKER
from twotier.clock import SystemClock
from twotier.domain.clock import Clock
from twotier.service.notify import Notifier

BEATS_PER_WATCHDOG = 4  # one may come late, and one may be missed
STATUS_SECONDS = 15.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """Who keeps us alive. `by_service`: a signal to end comes from one who may begin anew.

    `clock` is what all of main goes by, `worker` how its worker is started: the demo has its own.
    """

    notifier: Notifier = field(default_factory=Notifier)
    by_service: bool = False
    clock: Clock = field(default_factory=SystemClock)
    worker: tuple[str, ...] = WORKER

    @contextlib.contextmanager
    def renewing(self, clock: Clock) -> Iterator[None]:
        """While settings are read anew the manager knows it."""
        self.notifier.reloading(monotonic_seconds=clock.monotonic())
        try:
            yield
        finally:
            self.notifier.ready()


ALONE = Kept()


@dataclass(frozen=True, slots=True)
class Heart:
    """`lives` asks the ledger, `line` says in one line how we are."""

    notifier: Notifier
    lives: Callable[[], Awaitable[bool]]
    line: Callable[[], str]
    clock: Clock

    async def run(self) -> None:
        """Beat until cancelled; not at all where nobody listens."""
        if not self.notifier.address:
            return
        watchdog = self.notifier.watchdog_seconds
        every = watchdog / BEATS_PER_WATCHDOG if watchdog else STATUS_SECONDS
        while True:
            if await self._well(every):
                self.notifier.alive()
            else:
                log.error("the ledger's writer does not answer: the watchdog is not told")
            self.notifier.status(self.line())
            await self.clock.sleep(every)

    async def _well(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self.lives()
        except TimeoutError:
            return False
