"""What a process holds over its life: memory, descriptors, threads, and how fast they grow.

The slope is Theil's and Sen's, the median of the slopes between all pairs of samples: a garbage
collection, a page that was opened and a storm do not move it, a leak does.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import psutil

MEGABYTE = 1e6
HOUR_SECONDS = 3_600.0
POINTS_MAX = 400  # of a life that the slope is made of: 80,000 pairs


@dataclass(frozen=True, slots=True)
class Sample:
    """A process at one moment, in seconds since the measuring began."""

    at_seconds: float
    rss_megabytes: float
    descriptors: int
    threads: int


@dataclass
class Life:
    """One process from its start to its end."""

    name: str
    pid: int
    samples: list[Sample] = field(default_factory=list)

    def look(self, at_seconds: float) -> None:
        """One more sample, if it still lives."""
        try:
            process = psutil.Process(self.pid)
            with process.oneshot():
                rss = process.memory_info().rss / MEGABYTE
                found = Sample(at_seconds, rss, process.num_fds(), process.num_threads())
        except psutil.Error:
            return
        self.samples.append(found)

    def settled(self, warm_up_seconds: float) -> list[Sample]:
        """The samples after the warm-up of this life."""
        if not self.samples:
            return []
        since = self.samples[0].at_seconds + warm_up_seconds
        return [one for one in self.samples if one.at_seconds >= since]

    def told(self, warm_up_seconds: float) -> dict[str, Any]:
        """As JSON: slopes are per hour, None where the life was too short for one."""
        after = self.settled(warm_up_seconds)
        seconds = self.samples[-1].at_seconds - self.samples[0].at_seconds
        times = [one.at_seconds for one in after]
        memory = [one.rss_megabytes for one in after]
        files = [float(one.descriptors) for one in after]
        return {
            "name": self.name,
            "pid": self.pid,
            "minutes": round(seconds / 60, 1),
            "samples_after_warm_up": len(after),
            "rss_megabytes_first": round(self.samples[0].rss_megabytes, 1),
            "rss_megabytes_warm": round(statistics.median(memory[:5]), 1) if memory else None,
            "rss_megabytes_last": round(self.samples[-1].rss_megabytes, 1),
            "rss_megabytes_most": round(max(one.rss_megabytes for one in self.samples), 1),
            "rss_megabytes_per_hour": slope_per_hour(times, memory),
            "descriptors_per_hour": slope_per_hour(times, files),
            "descriptors": span([one.descriptors for one in after]),
            "threads": span([one.threads for one in after]),
        }


def span(values: Sequence[int]) -> list[int]:
    """First, least, median, most and last of them."""
    if not values:
        return []
    middle = int(statistics.median(values))
    return [values[0], min(values), middle, max(values), values[-1]]


def slope_per_hour(times: Sequence[float], values: Sequence[float]) -> float | None:
    """The median slope of all pairs, per hour; None for fewer than three samples."""
    step = max(1, len(times) // POINTS_MAX)
    points = list(zip(times[::step], values[::step], strict=True))
    if len(points) < 3:
        return None
    slopes = ((b - a) / (later - sooner) for (sooner, a), (later, b) in combinations(points, 2))
    return round(statistics.median(slopes) * HOUR_SECONDS, 3)
