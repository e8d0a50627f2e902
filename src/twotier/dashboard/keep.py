"""What is dear to find out, kept for a while: a page shows what is known, its stream asks anew.

How long depends on what it took: what needs a second is not asked for every second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from twotier.domain.clock import Clock

FRESH_SECONDS = 5.0
FRESH_TIMES = 60.0  # of the time it took: at most one part in sixty of our time goes there
KEPT_MAX = 32


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, since when (monotonic seconds), and until when it is fresh."""

    value: Any
    at: float
    until: float


class Keep:
    """Answers by their key. `known` never waits; `fresh` asks where what is known is old. Not
    `lasting`: what is old goes, for answers that are large or many.
    """

    def __init__(self, clock: Clock, *, lasting: bool = True) -> None:
        self._clock = clock
        self._lasting = lasting
        self._kept: dict[str, Kept] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    def known(self, key: str) -> Any | None:
        """What was found the last time, however old; None for never."""
        kept = self._kept.get(key)
        return None if kept is None else kept.value

    async def fresh(
        self,
        key: str,
        ask: Callable[[], Awaitable[Any]],
        *,
        seconds: float = FRESH_SECONDS,
        times: float = FRESH_TIMES,
    ) -> Any:
        """What is known if it is fresh, else what `ask` finds; one asks, the others wait for it.

        It is fresh for so many seconds, or so many times as long as it took, whichever is longer.
        """
        if not self._lasting:
            self._old_go()
        lock = self._asking.setdefault(key, asyncio.Lock())
        async with lock:
            now = self._clock.monotonic()
            kept = self._kept.get(key)
            if kept is not None and now < kept.until:
                return kept.value
            value = await ask()
            took = self._clock.monotonic() - now
            self._put(key, value, seconds=max(seconds, took * times))
            return value

    def forget(self, key: str) -> None:
        """Find it out anew the next time."""
        self._kept.pop(key, None)

    def _put(self, key: str, value: Any, *, seconds: float) -> None:
        """Keep one; the oldest goes where there are too many, since keys hold dates."""
        now = self._clock.monotonic()
        self._kept.pop(key, None)
        self._kept[key] = Kept(value, now, now + seconds)
        while self._lasting and len(self._kept) > KEPT_MAX:
            oldest = next(iter(self._kept))
            self._kept.pop(oldest)
            self._asking.pop(oldest, None)

    def _old_go(self) -> None:
        now = self._clock.monotonic()
        self._kept = {key: one for key, one in self._kept.items() if one.until > now}
        asking = self._asking.items()
        self._asking = {key: one for key, one in asking if one.locked() or key in self._kept}
