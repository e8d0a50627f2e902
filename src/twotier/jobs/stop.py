"""The order to stop working on jobs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stop:
    """No new work, what runs may finish its step within `grace_seconds`."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    grace_seconds: float = 0.0
    because: str = ""

    def ask(self, because: str, *, grace_seconds: float) -> None:
        """Stop. The shortest grace anybody asked for counts."""
        if self.asked.is_set():
            grace_seconds = min(grace_seconds, self.grace_seconds)
        self.grace_seconds = grace_seconds
        self.because = self.because or because
        self.asked.set()
