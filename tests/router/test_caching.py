"""When a prompt is kept in a cache: by a job's period, by pauses, by what it was worth."""

from __future__ import annotations

import pytest

from twotier.domain.message import Caching, Usage
from twotier.domain.money import FREE, Attempt, Outcome, Settled, Settlement
from twotier.router.caching import HABITS_MAX, REST_REQUESTS, Caches, worthwhile

KEY = ("claude-code", "", "frontier")
BOTH = Caching("5m", "5m")
MINUTE, HOUR = 60.0, 3_600.0


def plans(caches: Caches, *pauses: float, period: float | None = None) -> list[Caching | None]:
    """What is marked in a first request and after each pause."""
    now, made = 0.0, []
    for pause in (0.0, *pauses):
        now += pause
        made.append(caches.plan(KEY, period_seconds=period, now=now))
    return made


def ended(caches: Caches, usage: Usage, *, caching: Caching | None = BOTH) -> None:
    """An attempt came to this."""
    attempt = Attempt(
        "r-0", "r", "frontier", "anthropic", "m", "m", "explicit", FREE, 0,
        client="claude-code", caching=caching,
    )  # fmt: skip
    caches(attempt, Settlement(Settled.SETTLED, Outcome.OK, 0, usage))


def test_whoever_comes_back_within_minutes_has_it_kept_for_five() -> None:
    assert plans(Caches(), *[MINUTE] * 3) == [BOTH] * 4


def test_whoever_takes_a_quarter_of_an_hour_has_it_kept_for_an_hour() -> None:
    assert plans(Caches(), *[15 * MINUTE] * 4)[-1] == Caching("1h", "1h")


def test_whoever_comes_back_tomorrow_has_nothing_kept() -> None:
    assert plans(Caches(), *[24 * HOUR] * 4)[-1] is None


@pytest.mark.parametrize(
    ("period", "prefix"), [(MINUTE, "5m"), (30 * MINUTE, "1h"), (24 * HOUR, "")]
)
def test_a_job_s_period_says_how_long_and_its_steps_follow_at_once(
    period: float, prefix: str
) -> None:
    (plan,) = plans(Caches(), period=period)
    assert plan is not None
    assert (plan.prefix, plan.history) == (prefix, "5m")


@pytest.mark.parametrize(
    ("near", "hour", "life"),
    [(0.21, 0.52, ""), (0.22, 0.52, "5m"), (0.0, 0.53, "1h"), (1.0, 1.0, "5m"), (0.5, 1.0, "1h")],
)
def test_the_cheapest_way_by_the_published_prices(near: float, hour: float, life: str) -> None:
    assert worthwhile(near, hour) == life


def test_marks_that_are_only_ever_written_rest_and_are_tried_again() -> None:
    caches, written = Caches(), Usage(cache_write_tokens=5_000)
    tries = 0
    while caches.plan(KEY, period_seconds=None, now=float(tries)):
        ended(caches, written)
        tries += 1
    assert 2 <= tries <= 6
    rested = [caches.plan(KEY, period_seconds=None, now=float(tries)) for _ in range(REST_REQUESTS)]
    assert rested[:-1] == [None] * (REST_REQUESTS - 1)
    assert rested[-1] == BOTH
    ended(caches, Usage(cache_read_tokens=5_000))
    assert caches.plan(KEY, period_seconds=None, now=float(tries)) == BOTH


def test_marks_that_are_read_go_on_however_many_are_written() -> None:
    caches = Caches()
    for _ in range(50):
        ended(caches, Usage(cache_write_tokens=1_000, cache_read_tokens=2_000))
        ended(caches, Usage(cache_write_1h_tokens=500, cache_read_tokens=2_000))
    assert plans(caches) == [BOTH]


def test_attempts_without_marks_or_without_a_count_teach_nothing() -> None:
    caches = Caches()
    for _ in range(20):
        ended(caches, Usage(cache_write_tokens=5_000), caching=None)
        ended(caches, Usage(input_tokens=10))
    assert plans(caches) == [BOTH]


def test_habits_are_bounded_and_the_oldest_goes_first() -> None:
    caches = Caches()
    plans(caches, *[24 * HOUR] * 4)
    for number in range(HABITS_MAX):
        caches.plan((str(number), "", "frontier"), period_seconds=None, now=0.0)
    assert plans(caches) == [BOTH]
