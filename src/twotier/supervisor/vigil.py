"""Is it dead? What is heard of a server, and what is concluded from silence.

Silence is what counts, whatever `/health` says: no byte of any answer for `probe_every_seconds`,
and then no generated token for `probe_seconds_max`. Both together are under 35 s. A look that was
cut short by a suspicion is not begun anew: the silence since its beginning counts.

A server with requests in it may be silent for minutes and well: it reads a long prompt. One that
sends keep-alive comments is heard, one that tells how far it is (llama.cpp) is asked. Of any other
only its processor time is seen to move, which a server that spins has too; so that is believed for
as long as the requests inside explain it (`excuse`). An idle one has no such excuse.

While it loads, the first token may take as long as the model is large; there the sign of death is
that for `still_seconds` neither processor time nor memory moves and nothing is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from twotier.domain.clock import Clock
from twotier.domain.endpoint import Endpoint
from twotier.errors import UpstreamError
from twotier.supervisor.excuse import SLOWER, silent_seconds
from twotier.supervisor.probe import until_answered
from twotier.supervisor.spec import KeptSpec, untold
from twotier.supervisor.use import Held

LOOK_SECONDS_MIN = 4.0
STEP_SECONDS = 2.0
WORK_SHARE = 0.01  # of one core: a server that only waits uses a tenth of that
WORK_BYTES = 4 * 1024 * 1024
SLOW_FACTOR = 3.0  # a look may take this much longer than the slow ones before it
SLOW_FADES = 0.8
TELL_EVERY_SECONDS = 4.0  # llama.cpp asked once a second never notices that a caller has left


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
        self._progress: object = None  # as it was told last
        self._told_at = 0.0
        self._tells = False
        self._moved_at = 0.0
        self._step_seconds = 0.0

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

    async def dead(self, endpoint: Endpoint, *, uses: Callable[[], Iterable[Held]]) -> str:
        """Why it is dead; empty if it generated a token, or is seen working for somebody."""
        began = self._clock.monotonic()
        if self._asking_since is None or self._asking_since < self.heard_at:
            self._asking_since = began
        limit = max(self._spec.probe_seconds_max, SLOW_FACTOR * self._slowest_seconds)
        left = max(min(LOOK_SECONDS_MIN, limit), self._asking_since + limit - began)
        before = await asyncio.to_thread(self._pulse)
        failed = await self._looked(endpoint, within_seconds=left)
        now = self._clock.monotonic()
        self._looked_at = now
        if not failed:
            self.heard_at, self._asking_since = now, None
            self._slowest_seconds = max(now - began, SLOW_FADES * self._slowest_seconds)
            return ""
        after = await asyncio.to_thread(self._pulse)
        inside = list(uses())
        gets_on = max(self.heard_at, self._moved_at) > began
        worked = works(before, after, seconds=now - began)
        if inside and (gets_on or (worked and self._explained(inside, now=now))):
            self._asking_since = None
            return ""
        return failed

    def _explained(self, inside: Sequence[Held], *, now: float) -> bool:
        """Whether the requests inside are reason enough for a silence in which it worked."""
        spec, entered = self._spec, min(one.since for one in inside)
        silent = silent_seconds(
            [one.work for one in inside],
            pace=spec.pace,
            step_tokens=spec.step_tokens,
            tells=self._tells,
        )
        if self._moved_at > self.heard_at:
            silent = max(silent, SLOWER * self._step_seconds)
        return now - max(self.heard_at, self._moved_at, entered) < silent

    async def _looked(self, endpoint: Endpoint, *, within_seconds: float) -> str:
        """Ask for a token, and meanwhile now and then how far it is."""
        if self._spec.progress is untold:
            return await self._answer(endpoint, within_seconds=within_seconds)
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen(endpoint))
            failed = await self._answer(endpoint, within_seconds=within_seconds)
            listening.cancel()
        return failed

    async def _listen(self, endpoint: Endpoint) -> None:
        """Until cancelled: has it got on since it was asked before, in this silence?"""
        while True:
            told = await asyncio.to_thread(self._spec.progress, endpoint)
            if told is not None:
                now, same_silence = self._clock.monotonic(), self._told_at > self.heard_at
                if same_silence and told != self._progress:
                    # As slow as its steps are now, the next may be slower: the machine is loaded.
                    self._step_seconds = now - max(self.heard_at, self._moved_at)
                    self._moved_at = now
                self._tells, self._progress, self._told_at = True, told, now
            await self._clock.sleep(TELL_EVERY_SECONDS)

    async def first_answer(self, endpoint: Endpoint, *, within_seconds: float) -> str:
        """Why it did not get ready: no time left, or it does nothing. Empty when it answered."""
        self.heard_at, self._asking_since = self._clock.monotonic(), None
        self._tells = False
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
