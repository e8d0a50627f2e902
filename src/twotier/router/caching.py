"""How long a prompt is worth keeping in a provider's cache: what is known beats what is guessed.

A written token costs 1.25 times a fresh one if it is kept for five minutes, and twice if for an
hour; a read one costs a tenth (https://platform.claude.com/docs/en/about-claude/pricing). So it
pays where the same prompt comes back often enough: a job's period says that, of others the pauses
between their requests do, and the provider's own count of reads and writes has the last word.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from twotier.domain.message import Cache, Caching
from twotier.domain.money import Attempt, Settlement

WRITE_5M, WRITE_1H, READ = 1.25, 2.0, 0.1
# A cache that is read lives on from then; the margin is for work that starts a little late.
SECONDS_5M, SECONDS_1H = 270.0, 3_500.0
NEW = 0.3  # how much the latest request says about the next one
PRIOR = 0.5
HABITS_MAX = 1_000
REST_REQUESTS = 20  # after so many without it, caching is tried once more

Key = tuple[str, str, str]


@dataclass(slots=True)
class Habit:
    """Of one caller at one tier: `near` and `hour` are the shares of its requests that followed the
    last one within five minutes and within an hour. `factor` is what a marked token really cost,
    as a multiple of a fresh one; `resting` counts requests without marks down.
    """

    last: float | None = None
    near: float = PRIOR
    hour: float = PRIOR
    factor: float = PRIOR
    resting: int = 0


class Caches:
    """Remembers habits, and decides by them. A listener of every attempt's end."""

    def __init__(self) -> None:
        self._habits: OrderedDict[Key, Habit] = OrderedDict()

    def plan(self, key: Key, *, period_seconds: float | None, now: float) -> Caching | None:
        """What to mark in the next request of this caller (its client, job and tier); None for
        nothing. `period_seconds` of a job's runs, None where nobody knows; `now` in seconds of a
        monotonic clock.
        """
        habit = self._habit(key)
        self._heard(habit, now)
        if habit.resting:
            habit.resting -= 1
            return None
        if period_seconds is None:
            life = worthwhile(habit.near, habit.hour)
            return Caching(life, life) if life else None
        # Steps of one run follow each other at once, whatever lies between two runs.
        near, hour = period_seconds <= SECONDS_5M, period_seconds <= SECONDS_1H
        return Caching(worthwhile(float(near), float(hour)), "5m")

    def __call__(self, attempt: Attempt, end: Settlement) -> None:
        """Learn what the marks of an attempt were worth."""
        used = end.usage
        written = used.cache_write_tokens + used.cache_write_1h_tokens
        if attempt.caching is None or not written + used.cache_read_tokens:
            return
        habit = self._habit((attempt.client, attempt.job, attempt.tier))
        paid = (
            WRITE_5M * used.cache_write_tokens
            + WRITE_1H * used.cache_write_1h_tokens
            + READ * used.cache_read_tokens
        )
        habit.factor = mixed(habit.factor, paid / (written + used.cache_read_tokens))
        if habit.factor > 1.0:
            habit.factor, habit.resting = PRIOR, REST_REQUESTS

    def _habit(self, key: Key) -> Habit:
        habit = self._habits.pop(key, None) or Habit()
        self._habits[key] = habit
        if len(self._habits) > HABITS_MAX:
            self._habits.popitem(last=False)
        return habit

    def _heard(self, habit: Habit, now: float) -> None:
        if habit.last is not None:
            pause = now - habit.last
            habit.near = mixed(habit.near, float(pause <= SECONDS_5M))
            habit.hour = mixed(habit.hour, float(pause <= SECONDS_1H))
        habit.last = now


def worthwhile(near: float, hour: float) -> Cache:
    """The cheapest way, by the shares of requests that follow within five minutes and an hour."""
    costs: dict[Cache, float] = {
        "": 1.0,
        "5m": near * READ + (1 - near) * WRITE_5M,
        "1h": hour * READ + (1 - hour) * WRITE_1H,
    }
    return min(costs, key=lambda life: costs[life])


def mixed(before: float, latest: float) -> float:
    """The running mean."""
    return before + NEW * (latest - before)
