"""Where values lie, remembered in little: counts in boxes whose bounds grow by a constant factor,
so that any quantile is right to 7 %, whatever the values are (DDSketch: Masson, Rim and Lee 2019).

It ages: from time to time all counts are halved, so that what is told is about the last some
hundreds. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import exp, floor, log

from twotier.domain.known import Spread

GROWTH = log(1.15)
WEIGHT_MAX = 400.0  # then all counts are halved


@dataclass(slots=True)
class Sketch:
    """Counts by the number of their box; `seen` is how many there ever were."""

    counts: dict[int, float] = field(default_factory=dict)
    seen: int = 0

    def note(self, value: float) -> None:
        """Take one value into account; less than 1 counts as 1."""
        box = floor(log(max(1.0, value)) / GROWTH)
        self.counts[box] = self.counts.get(box, 0.0) + 1.0
        self.seen += 1
        if self.seen % 50 == 0 and sum(self.counts.values()) >= WEIGHT_MAX:
            self.counts = {box: count / 2 for box, count in self.counts.items()}

    def at(self, share: float) -> float:
        """The value that this share of them does not exceed, 0 where there is none."""
        left = share * sum(self.counts.values())
        for box in sorted(self.counts):
            left -= self.counts[box]
            if left <= 0.0:
                return exp((box + 0.5) * GROWTH)
        return 0.0

    def above(self, value: float) -> float:
        """The share of them that is larger, as far as boxes can tell."""
        bar = floor(log(max(1.0, value)) / GROWTH)
        total = sum(self.counts.values())
        over = sum(count for box, count in self.counts.items() if box > bar)
        return over / total if total else 0.0

    def spread(self, source: str) -> Spread:
        """Half and nine tenths of them."""
        return Spread(self.at(0.5), self.at(0.9), self.seen, source)

    def boxes(self) -> Iterator[tuple[int, float]]:
        """All that is to be kept."""
        yield from self.counts.items()

    def put(self, box: int, count: float, *, seen: int) -> None:
        """What was known in an earlier life."""
        self.counts[box] = count
        self.seen = max(self.seen, seen)


def merged(sketches: Iterable[Sketch]) -> Sketch:
    """All that they have seen, in one."""
    found = Sketch()
    for one in sketches:
        found.seen += one.seen
        for box, count in one.counts.items():
            found.counts[box] = found.counts.get(box, 0.0) + count
    return found
