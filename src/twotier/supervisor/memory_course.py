"""How memory went: a look every ten seconds for an hour, and the tightest of each five minutes for
a week.

A person asks in the morning how full it was when the server died at night. So what is kept of five
minutes is their worst moment (least free, most held by each server), not their mean, which would
hide it. The hour lives in memory alone; the week is one small file, written anew every five
minutes: killed with -9, main loses five minutes of it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import reduce
from pathlib import Path

from twotier.domain.clock import Clock
from twotier.supervisor.room import Room

log = logging.getLogger("twotier.supervisor")

LOOK_SECONDS = 10.0
FINE_KEPT = 360  # an hour of looks
SPAN_MS = 300_000
SPANS_KEPT = 2_016  # a week of five minutes


@dataclass(frozen=True, slots=True)
class Sample:
    """One look, or the worst of a span. `at_ms` since the epoch; `held` by the name of the server,
    only those that hold anything.
    """

    at_ms: int
    total_bytes: int
    free_bytes: int
    held: Mapping[str, int] = field(default_factory=dict)

    def worst(self, other: Sample) -> Sample:
        """The tightest of both, at the beginning of the first."""
        names = self.held.keys() | other.held.keys()
        most = {name: max(self.held.get(name, 0), other.held.get(name, 0)) for name in names}
        free = min(self.free_bytes, other.free_bytes)
        return Sample(self.at_ms, other.total_bytes, free, dict(sorted(most.items())))


class MemoryCourse:
    """The looks and the spans, the oldest first."""

    def __init__(self) -> None:
        self._fine: deque[Sample] = deque(maxlen=FINE_KEPT)
        self._spans: deque[Sample] = deque(maxlen=SPANS_KEPT)
        self._open: Sample | None = None  # the span that goes on

    def note(self, sample: Sample) -> bool:
        """One look; True where a span ended with it, so that there is something to keep.

        A clock that went back begins a span anew: what it shows twice was seen twice.
        """
        self._fine.append(sample)
        begun = self._open
        if begun is not None and sample.at_ms // SPAN_MS == begun.at_ms // SPAN_MS:
            self._open = begun.worst(sample)
            return False
        if begun is not None:
            self._spans.append(begun)
        self._open = sample
        return begun is not None

    def since(self, at_ms: int) -> list[Sample]:
        """What is known since then, as fine as it is known."""
        fine = [one for one in self._fine if one.at_ms >= at_ms]
        until = self._fine[0].at_ms if self._fine else None
        spans = (one for one in self._spans if until is None or one.at_ms < until)
        return [*(one for one in spans if one.at_ms >= at_ms), *fine]

    def read(self, path: Path) -> None:
        """Go on where an earlier life ended; a file that is not ours is no course."""
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            spans = [_sample(one) for one in found["spans"]]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return
        self._spans.extendleft(reversed(spans))

    def write(self, path: Path) -> None:
        """Replace the file in one step, readable by its owner only. Blocks."""
        told = {"schema_version": 1, "spans": [asdict(one) for one in tuple(self._spans)]}
        fresh = path.with_name(f".{path.name}.new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(told, separators=(",", ":")), encoding="utf-8")
        fresh.replace(path)


def thinned(samples: Sequence[Sample], count_max: int) -> list[Sample]:
    """No more than so many: of those that fall together the worst moment, in the order of time."""
    each = -(-len(samples) // count_max) if samples else 1
    groups = (samples[at : at + each] for at in range(0, len(samples), each))
    return [reduce(Sample.worst, group) for group in groups]


def _sample(told: Mapping[str, object]) -> Sample:
    held = told["held"]
    if not isinstance(held, dict):
        raise TypeError(held)
    return Sample(
        at_ms=int(str(told["at_ms"])),
        total_bytes=int(str(told["total_bytes"])),
        free_bytes=int(str(told["free_bytes"])),
        held={str(name): int(count) for name, count in held.items()},
    )


@dataclass(slots=True)
class Sampler:
    """Looks for as long as main runs. `pids` names the servers that live now; `holds` tells what a
    process and those under it hold, and may block.
    """

    course: MemoryCourse
    room: Room
    clock: Clock
    pids: Callable[[], Mapping[str, int]]
    holds: Callable[[int], int]
    path: Path

    async def run(self) -> None:
        """Until cancelled; ends at once on a machine that does not tell its memory."""
        while await self.look():
            await self.clock.sleep(LOOK_SECONDS)

    async def look(self) -> bool:
        """Once. False where nobody can tell."""
        now = await self.room.look()
        if now is None:
            return False
        held = await asyncio.to_thread(self._held, self.pids())
        at_ms = int(self.clock.now().timestamp() * 1000)
        if self.course.note(Sample(at_ms, now.total_bytes, now.free_bytes, held)):
            try:
                await asyncio.to_thread(self.course.write, self.path)
            except OSError as exc:  # a full disk; the next time may go better
                log.info("the course of memory is not kept", extra={"because": exc.strerror})
        return True

    def _held(self, pids: Mapping[str, int]) -> dict[str, int]:
        return {name: held for name, pid in pids.items() if (held := self.holds(pid))}
