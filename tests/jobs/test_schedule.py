"""Which slots are due, in every zone and on every night, and what becomes of missed ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.jobs.making import START, cron_job, job
from twotier.jobs.schedule import SLOTS_MAX, due_slots, next_slots, plan

BERLIN, LOS_ANGELES = "Europe/Berlin", "America/Los_Angeles"

# The nights on which clocks change, and what runs from noon to noon, as wall time and offset.
NIGHTS = [
    # the hour from 02:00 is missing
    (BERLIN, "2026-03-28", "30 2 * * *", ["03:00+0200"]),
    (BERLIN, "2026-03-28", "0,30 2 * * *", ["03:00+0200"]),
    (BERLIN, "2026-03-28", "*/15 2 * * *", ["03:00+0200"]),
    (BERLIN, "2026-03-28", "30 1-3 * * *", ["01:30+0100", "03:00+0200", "03:30+0200"]),
    (BERLIN, "2026-03-28", "30 3 * * *", ["03:30+0200"]),
    (LOS_ANGELES, "2026-03-07", "30 2 * * *", ["03:00-0700"]),
    (LOS_ANGELES, "2026-03-07", "*/15 2 * * *", ["03:00-0700"]),
    (LOS_ANGELES, "2026-03-07", "15 1 * * *", ["01:15-0800"]),
    # Berlin has the hour from 02:00 twice, Los Angeles the one from 01:00
    (BERLIN, "2026-10-24", "30 2 * * *", ["02:30+0200"]),
    (BERLIN, "2026-10-24", "0,30 2 * * *", ["02:00+0200", "02:30+0200"]),
    (BERLIN, "2026-10-24", "*/30 2 * * *", ["02:00+0200", "02:30+0200"]),
    (LOS_ANGELES, "2026-10-31", "30 1 * * *", ["01:30-0700"]),
    (LOS_ANGELES, "2026-10-31", "*/30 1 * * *", ["01:00-0700", "01:30-0700"]),
    (LOS_ANGELES, "2026-10-31", "30 2 * * *", ["02:30-0800"]),
]


@pytest.mark.parametrize(("zone", "day", "cron", "walls"), NIGHTS)
def test_each_wall_time_runs_once_on_nights_when_clocks_change(
    zone: str, day: str, cron: str, walls: list[str]
) -> None:
    """A skipped time runs right after the gap, a repeated one runs the first time only."""
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    slots = due_slots(cron_job(cron, zone), after=noon, now=noon + timedelta(hours=24))
    assert [f"{slot.astimezone(ZoneInfo(zone)):%H:%M%z}" for slot in slots] == walls


@pytest.mark.parametrize(("zone", "day"), [(BERLIN, "2026-03-28"), (LOS_ANGELES, "2026-10-31")])
def test_a_half_hourly_job_follows_real_time(zone: str, day: str) -> None:
    """Every half hour is every half hour, whatever the clock on the wall shows."""
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    slots = due_slots(cron_job("*/30 * * * *", zone), after=noon, now=noon + timedelta(hours=24))
    assert slots == [noon + timedelta(minutes=30 * number) for number in range(1, 49)]


def test_a_repeated_time_does_not_come_back_when_asked_between_the_two() -> None:
    """Asked in the second of two equal hours, the first's slot is past and not due again."""
    second = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 winter time in Berlin
    daily = cron_job("30 2 * * *", BERLIN)
    assert due_slots(daily, after=second, now=second + timedelta(hours=1)) == []
    assert next_slots(daily, after=second) == [datetime(2026, 10, 26, 1, 30, tzinfo=UTC)]


def test_periods_are_aligned_to_the_epoch() -> None:
    """Two machines that start at different moments name the same slots."""
    one = next_slots(job(every_seconds=2700.0), after=START, count=2)
    other = next_slots(job(every_seconds=2700.0), after=START + timedelta(seconds=7), count=2)
    assert one == other
    assert all(slot.timestamp() % 2700 == 0 for slot in one)


@settings(deadline=None)
@given(
    every=st.integers(10, 200_000),
    first=st.integers(0, 100_000),
    second=st.integers(0, 100_000),
)
def test_no_slot_is_lost_or_doubled_between_two_looks(every: int, first: int, second: int) -> None:
    """Looking in two steps finds what looking once finds, whatever the period."""
    one = job(every_seconds=float(every))
    middle, end = START + timedelta(seconds=first), START + timedelta(seconds=first + second)
    whole = due_slots(one, after=START, now=end, limit=10**6)
    split = due_slots(one, after=START, now=middle, limit=10**6)
    assert split + due_slots(one, after=middle, now=end, limit=10**6) == whole


@pytest.mark.parametrize("cron", ["* * * * *", "30 6 * * 1-5", "0 0 29 2 *"])
def test_years_of_downtime_give_the_newest_slots_fast(cron: str) -> None:
    """After three years away the newest slots are found without walking through all of them."""
    now = datetime(2028, 3, 2, 12, 0, tzinfo=UTC)
    slots = due_slots(cron_job(cron, BERLIN), after=now - timedelta(days=3 * 365), now=now)
    assert 1 <= len(slots) <= SLOTS_MAX
    assert slots == sorted(slots)
    assert next_slots(cron_job(cron, BERLIN), after=slots[-1])[0] > now


def test_a_century_away_is_looked_at_as_a_whole() -> None:
    """Slots older than the last window are passed over, and the search ends."""
    now = datetime(2128, 1, 1, tzinfo=UTC)
    slots = due_slots(
        cron_job("0 0 1 1 *", BERLIN), after=datetime(1990, 1, 1, tzinfo=UTC), now=now, limit=500
    )
    assert len(slots) == 100
    assert slots[-1].year == 2127


def slots_before(now: datetime, *ages_seconds: float) -> list[datetime]:
    return [now - timedelta(seconds=age) for age in ages_seconds]


def test_once_runs_the_newest_missed_slot_late() -> None:
    """However many were missed, one run stands for them all, and says that it is late."""
    slots = slots_before(START, 7200, 5400, 3600)
    found = plan(slots, now=START, missed="once")
    assert (found.run, found.late, found.missed) == (slots[-1], True, tuple(slots[:-1]))
    assert "stands for it" in found.because


def test_skip_runs_no_missed_slot() -> None:
    """They are all marked missed."""
    slots = slots_before(START, 7200, 3600)
    found = plan(slots, now=START, missed="skip")
    assert (found.run, found.missed) == (None, tuple(slots))


@pytest.mark.parametrize(("age_seconds", "runs"), [(899.0, True), (901.0, False)])
def test_within_runs_a_missed_slot_only_if_it_is_young_enough(
    age_seconds: float, runs: bool
) -> None:
    """The policy names the age in seconds."""
    slots = slots_before(START, 4000, age_seconds)
    found = plan(slots, now=START, missed="within:900")
    assert (found.run is not None) is runs
    assert found.late is runs
    assert len(found.missed) == (1 if runs else 2)


@pytest.mark.parametrize("missed", ["once", "skip", "within:10"])
def test_a_slot_on_time_runs_under_every_policy(missed: str) -> None:
    """And is not late; older ones never make a second run."""
    slots = slots_before(START, 3600, 2)
    found = plan(slots, now=START, missed=missed)
    assert (found.run, found.late, found.missed) == (slots[1], False, (slots[0],))
    assert plan([], now=START, missed=missed).run is None
