"""Leaves somebody alone until the time that they have named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from twotier.domain.clock import Clock
from twotier.errors import WatchError


@dataclass(slots=True)
class Pause:
    """Until when one side wants nothing to be asked, and why. Kept in memory: a limit that is
    forgotten is told again.
    """

    clock: Clock
    _until: datetime | None = None
    _because: str = ""

    def check(self) -> None:
        """Raises `WatchError` while the pause lasts."""
        if self._until is not None and self.clock.now() < self._until:
            raise self._error()

    def begin(self, because: str, *, seconds: float) -> WatchError:
        """Ask nothing for so long. The error that says so."""
        self._because = because
        self._until = self.clock.now() + timedelta(seconds=seconds)
        return self._error()

    def _error(self) -> WatchError:
        until = self._until or self.clock.now()
        seconds = max(0.0, (until - self.clock.now()).total_seconds())
        text = f"{self._because}; not asked again before {until.strftime('%H:%M:%S UTC')}"
        return WatchError(text, retry_after_seconds=seconds)
