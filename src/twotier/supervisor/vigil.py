"""Is it dead? What is heard of a server, and what is concluded from silence.

Silence is what counts, whatever `/health` says: no byte of any answer for `probe_every_seconds`,
and then no generated token for `probe_seconds_max`. Both together are under 35 s. A look that was
cut short by a suspicion is not begun anew: the silence since its beginning counts.

A server with requests in it may be silent for minutes and well: it reads a long prompt. One that
sends keep-alive comments is heard. One that does not is seen working: its processor time moves. So
a busy server is dead only if it is silent, generates nothing, and does nothing. An idle one has no
such excuse. A server that spins while requests are in it is therefore found only when those
requests have met their own limits and left.

While it loads, the first token may take as long as the model is large; there the sign of death is
that for `still_seconds` neither processor time nor memory moves and nothing is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from twotier.domain.clock import Clock
from twotier.domain.endpoint import Endpoint
from twotier.errors import UpstreamError
from twotier.supervisor.probe import until_answered
from twotier.supervisor.spec import KeptSpec

LOOK_SECONDS_MIN = 4.0
STEP_SECONDS = 2.0
WORK_SHARE = 0.01  # of one core: a server that only waits uses a tenth of that
WORK_BYTES = 4 * 1024 * 1024
SLOW_FACTOR = 3.0  # a look may take this much longer than the slow ones before it
SLOW_FADES = 0.8


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a process and its children have used so far."""

    cpu_seconds: float = 0.0
    resident_bytes: int = 0


def works(before: Pulse, after: Pulse, *, seconds: float) -> bool:
    """Whether it did something in between; processor time, or memory that moved."""
    busy = after.cpu_seconds - before.cpu_seconds >= WORK_SHARE * seconds
    return busy or abs(after.resident_bytes - before.resident_bytes) >= WORK_BYTES


class Vigil:
    """What is heard of one server. `pulse` may be asked at any time, in a thread: it takes
    milliseconds.
    """

    def __init__(self, spec: KeptSpec, clock: Clock, *, pulse: Callable[[], Pulse]) -> None:
        self._spec = spec
        self._clock = clock
        self._pulse = pulse
        self.heard_at = clock.monotonic()
        self._looked_at = 0.0
        self._asking_since: float | None = None
        self._slowest_seconds = 0.0
        self._spoke_at = 0.0

    def heard(self) -> None:
        """It gave a sign of life; called for each piece of an answer."""
        self.heard_at = self._clock.monotonic()

    async def silence(self) -> None:
        """Wait until nothing was heard for so long that it is worth a look."""
        while True:
            since = max(self.heard_at, self._looked_at)
            over_at = since + self._spec.probe_every_seconds
            await self._clock.sleep(max(0.0, over_at - self._clock.monotonic()))
            if max(self.heard_at, self._looked_at) == since:
                return

    async def dead(self, endpoint: Endpoint, *, uses: Callable[[], int]) -> str:
        """Why it is dead; empty if it generated a token, or is seen working for somebody."""
        began = self._clock.monotonic()
        if self._asking_since is None or self._asking_since < self.heard_at:
            self._asking_since = began
        limit = max(self._spec.probe_seconds_max, SLOW_FACTOR * self._slowest_seconds)
        left = max(min(LOOK_SECONDS_MIN, limit), self._asking_since + limit - began)
        before = await asyncio.to_thread(self._pulse)
        failed = await self._answer(endpoint, within_seconds=left)
        now = self._clock.monotonic()
        self._looked_at = now
        if not failed:
            self.heard_at, self._asking_since = now, None
            self._slowest_seconds = max(now - began, SLOW_FADES * self._slowest_seconds)
            return ""
        after = await asyncio.to_thread(self._pulse)
        if uses() and (self.heard_at > began or works(before, after, seconds=now - began)):
            self._asking_since = None
            return ""
        return failed

    async def first_answer(self, endpoint: Endpoint, *, within_seconds: float) -> str:
        """Why it did not get ready: no time left, or it does nothing. Empty when it answered."""
        self.heard_at, self._asking_since = self._clock.monotonic(), None
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._stillness())
            asking = group.create_task(self._answer(endpoint, within_seconds=within_seconds))
            done, _ = await asyncio.wait({watching, asking}, return_when=asyncio.FIRST_COMPLETED)
            watching.cancel()
            asking.cancel()
        if asking not in done:
            return f"no sign of work for {self._spec.still_seconds:g} s"
        if failed := asking.result():
            return f"not ready {within_seconds:g} s after its start: {failed}"
        self.heard_at = self._clock.monotonic()
        return ""

    async def _answer(self, endpoint: Endpoint, *, within_seconds: float) -> str:
        return await until_answered(
            self._ask,
            endpoint,
            within_seconds=within_seconds,
            clock=self._clock,
            listens=self._spec.listens,
        )

    async def _ask(self, endpoint: Endpoint) -> None:
        """The handed-in question. A refusal in words is no readiness, but it is a sign of life."""
        try:
            await self._spec.ready(endpoint)
        except UpstreamError as exc:
            if exc.upstream_status:
                self._spoke_at = self._clock.monotonic()
            raise

    async def _stillness(self) -> None:
        """Return when it neither worked nor spoke for `still_seconds`."""
        still_seconds, before = 0.0, await asyncio.to_thread(self._pulse)
        while still_seconds < self._spec.still_seconds:
            spoke_at = self._spoke_at
            await self._clock.sleep(STEP_SECONDS)
            after = await asyncio.to_thread(self._pulse)
            moved = works(before, after, seconds=STEP_SECONDS) or self._spoke_at != spoke_at
            still_seconds = 0.0 if moved else still_seconds + STEP_SECONDS
            before = after
