"""The real clock. The only place that looks at the time."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """`domain.clock.Clock` on the machine's own clocks."""

    def now(self) -> datetime:
        """The wall time, aware, in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this is the place the rule points to

    # Seconds that never go back: the system's own function, asked a dozen times a request.
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        import asyncio  # here, because commands that only ask for the time should start fast

        await asyncio.sleep(seconds)
