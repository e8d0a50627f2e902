"""Counts what becomes of each attempt, in plain integers on the event loop.

A request is on its way while this runs, so it is one look-up and a few additions: about 2 us, where
the locks and label look-ups of a metrics library take 7. What a page of metrics needs is put
together when somebody asks for it. Labels are bounded: tiers, clients and models come from the
configuration and the price list, and past `SERIES_MAX` the model becomes `other`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from twotier.domain.money import MICROUSD_PER_USD, Attempt, Settlement
from twotier.telemetry.families import (
    COST,
    DURATION,
    DURATION_BUCKETS,
    FALLBACKS,
    FIRST_TOKEN,
    FIRST_TOKEN_BUCKETS,
    REPAIRS,
    REQUESTS,
    RETRIES,
    TOKENS,
    Histogram,
    Samples,
)

SERIES_MAX = 1_000
OTHER = "other"
GroupT = TypeVar("GroupT", bound=Hashable)


class Series(NamedTuple):
    """The labels one tally stands for."""

    tier: str
    provider: str
    model: str
    dialect: str
    outcome: str
    client: str

    @property
    def ref(self) -> str:
        """The full name of the model, as headers and log lines have it."""
        return f"{self.provider}/{self.model}"


@dataclass(slots=True)
class Tally:
    """What was counted for one series. The lists count each observation once, by its bucket."""

    requests: int = 0
    fallbacks: int = 0
    retries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_microusd: int = 0
    seconds: float = 0.0
    seconds_by_bucket: list[int] = field(default_factory=lambda: [0] * (len(DURATION_BUCKETS) + 1))
    first_seconds: float = 0.0
    first_by_bucket: list[int] = field(default_factory=lambda: [0] * (len(FIRST_TOKEN_BUCKETS) + 1))
    repairs: Counter[str] = field(default_factory=Counter)

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            self.requests + other.requests,
            self.fallbacks + other.fallbacks,
            self.retries + other.retries,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.cost_microusd + other.cost_microusd,
            self.seconds + other.seconds,
            [
                sum(pair)
                for pair in zip(self.seconds_by_bucket, other.seconds_by_bucket, strict=True)
            ],
            self.first_seconds + other.first_seconds,
            [sum(pair) for pair in zip(self.first_by_bucket, other.first_by_bucket, strict=True)],
            # Copied in one step: counting goes on elsewhere, and may add a kind.
            self.repairs.copy() + other.repairs.copy(),
        )


class Counts:
    """Hears of each attempt's end; a listener of `Ground.told`."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, ...], Tally] = {}

    def __call__(self, attempt: Attempt, end: Settlement) -> None:
        """Count one attempt."""
        key = (
            attempt.tier,
            attempt.provider,
            attempt.model,
            attempt.dialect,
            end.outcome,
            attempt.client,
        )
        tally = self._tallies.get(key) or self._new(key)
        usage, first, seconds = end.usage, end.first_token_seconds, end.total_seconds
        tally.requests += 1
        if not attempt.id.endswith(("-0", "-0b")):  # `b`: in a batch
            again = "r" in attempt.id.rpartition("-")[2]  # see `tries`
            tally.retries += again
            tally.fallbacks += not again
        tally.input_tokens += usage.input_tokens
        tally.output_tokens += usage.output_tokens
        tally.cache_read_tokens += usage.cache_read_tokens
        tally.cache_write_tokens += usage.cache_write_tokens + usage.cache_write_1h_tokens
        tally.cost_microusd += end.cost_microusd
        tally.seconds += seconds
        tally.seconds_by_bucket[bisect_left(DURATION_BUCKETS, seconds)] += 1
        if end.repairs:
            tally.repairs.update(end.repairs)
        if first is not None:
            tally.first_seconds += first
            tally.first_by_bucket[bisect_left(FIRST_TOKEN_BUCKETS, first)] += 1

    def _new(self, key: tuple[str, ...]) -> Tally:
        if len(self._tallies) >= SERIES_MAX:
            tier, _, _, dialect, outcome, _ = key
            key = (tier, OTHER, OTHER, dialect, outcome, OTHER)
        return self._tallies.setdefault(key, Tally())

    def tallies(self) -> list[tuple[Series, Tally]]:
        """All of it now: taken on the loop, and good to read elsewhere while counting goes on."""
        return [(Series(*map(str, key)), tally) for key, tally in self._tallies.items()]


def samples(tallies: Iterable[tuple[Series, Tally]]) -> Samples:
    """The figures of a page of metrics, each family summed over the labels it does not have."""
    rows = list(tallies)
    by_model = together(rows, lambda one: (one.tier, one.ref))
    by_outcome = together(rows, lambda one: (one.tier, one.ref, one.outcome))
    return {
        REQUESTS: [
            ((one.tier, one.ref, one.dialect, one.outcome, one.client), tally.requests)
            for one, tally in rows
        ],
        TOKENS: [
            ((*labels, kind), count)
            for labels, tally in by_model.items()
            for kind, count in tokens(tally)
        ],
        REPAIRS: [
            ((*labels, kind), count)
            for labels, tally in by_model.items()
            for kind, count in sorted(tally.repairs.items())
        ],
        COST: [
            (labels, tally.cost_microusd / MICROUSD_PER_USD)
            for labels, tally in together(rows, lambda one: (one.tier, one.ref, one.client)).items()
        ],
        FALLBACKS: [
            (labels, tally.fallbacks)
            for labels, tally in together(rows, lambda one: (one.tier,)).items()
        ],
        RETRIES: [
            (labels, tally.retries)
            for labels, tally in together(rows, lambda one: (one.tier,)).items()
        ],
        DURATION: [
            (labels, Histogram(tuple(tally.seconds_by_bucket), tally.seconds))
            for labels, tally in by_outcome.items()
        ],
        FIRST_TOKEN: [
            (labels, Histogram(tuple(tally.first_by_bucket), tally.first_seconds))
            for labels, tally in by_model.items()
        ],
    }


def tokens(tally: Tally) -> list[tuple[str, int]]:
    """Its tokens by kind; every kind stands alone, so that a sum over them is the whole."""
    return [
        ("input", tally.input_tokens),
        ("output", tally.output_tokens),
        ("cache_read", tally.cache_read_tokens),
        ("cache_write", tally.cache_write_tokens),
    ]


def together(
    rows: Iterable[tuple[Series, Tally]], group: Callable[[Series], GroupT]
) -> dict[GroupT, Tally]:
    """Tallies summed by some of their labels."""
    summed: dict[GroupT, Tally] = {}
    for one, tally in rows:
        key = group(one)
        summed[key] = summed[key].plus(tally) if key in summed else tally
    return summed
