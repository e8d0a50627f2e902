"""400 days in six zones against a table made by hand, and slots that no way of asking changes."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.jobs.making import cron_job, job
from twotier.domain.job import Job
from twotier.jobs.schedule import at_of, due_slots, next_slots, period_seconds, slots_after

KOLKATA, SAO_PAULO, APIA = "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia"
BERLIN, LOS_ANGELES, LORD_HOWE = "Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe"
ZONES = (LOS_ANGELES, BERLIN, KOLKATA, LORD_HOWE, SAO_PAULO, APIA)

# From the first of December to the fourth of January a year later, in a leap year: 31 + 366 + 3
# days are 400, which are 57 weeks and a day. Both ends are in the same season, so each clock that
# is set forward is set back as well, and 400 days are 9,600 hours.
AFTER_MIDNIGHT = timedelta(seconds=1)
wall = datetime.fromisoformat
FROM, TO = wall("2027-12-01"), wall("2029-01-04")
OLDER_FROM, OLDER_TO = wall("2011-12-01"), wall("2013-01-04")

# What each job does in 400 days wherever nothing odd happens at its hour, and why.
USUAL = {
    "0 7 * * *": 400,  # once a day
    "30 2 * * *": 400,  # once a day, also where the hour is missing or comes twice
    "30 6 * * 1-5": 286,  # 57 weeks of 5, and a day more: a Wednesday, or Thursday in 2011
    "0 9 29 2 *": 1,  # the leap day
    "0 0 1 * *": 14,  # the first day, 12 months, and the January after
    "0 5 L * *": 13,  # the last day of 13 months; the January is not over
    "0 */6 * * *": 1_600,  # 4 wall times a day
    "0 0 * * *": 400,
    "30 0 * * *": 400,
    "30 23 * * *": 400,
    "0 * * * *": 9_600,  # 24 a day, an hour lost and one won
    "30 * * * *": 9_600,
    "*/20 0 7 * * *": 1_200,  # 3 a day
    "15 30 2 * * *": 400,
}

# Lord Howe's clocks move by half an hour. In April 02:00 becomes 01:30, so 01:30 is shown twice and
# 02:00 once. In October 02:00 becomes 02:30, so 02:00 is not shown, and 02:30 is.
HALF_HOUR = {"30 * * * *": 9_601, "0 * * * *": 9_599}

# Samoa had no 30 December 2011: after the 29th came the 31st. 399 days of real time; what was to
# run on that Friday runs once, as the 31st begins, and what runs then anyway stands for it.
NO_FRIDAY = {
    "0 * * * *": 399 * 24,
    "30 * * * *": 399 * 24,
    "0 0 * * *": 399,  # the 30th's is the 31st's
    "0 */6 * * *": 399 * 4,  # all four of the 30th are the 31st's first
    "*/20 0 7 * * *": 399 * 3 + 1,  # three seconds of the 30th are one instant
}


def slots_between(one: Job, start: datetime, *, end: datetime, zone: str) -> list[datetime]:
    """Slots from one midnight of the place, included, to another."""
    place = ZoneInfo(zone)
    after, now = (
        midnight.replace(tzinfo=place).astimezone(UTC) - AFTER_MIDNIGHT for midnight in (start, end)
    )
    return due_slots(one, after=after, now=now, limit=10**6)


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
def test_400_days_run_as_often_as_the_table_says(zone: str) -> None:
    """Both changes of the clock, a leap day, six zones: no run too many, none too few."""
    odd = HALF_HOUR if zone == LORD_HOWE else {}
    found = {
        cron: len(slots_between(cron_job(cron, zone), FROM, end=TO, zone=zone)) for cron in USUAL
    }
    assert found == USUAL | odd
    period = job(every_seconds=2_700.0)  # 400 days of 32 times 45 minutes
    assert len(slots_between(period, FROM, end=TO, zone=zone)) == 12_800


@pytest.mark.slow
@pytest.mark.parametrize(("zone", "odd"), [(SAO_PAULO, {}), (APIA, NO_FRIDAY)])
def test_midnight_that_is_missing_and_a_day_that_is_missing(zone: str, odd: dict[str, int]) -> None:
    """Brazil moved its clocks at midnight, and Samoa left out a day: nothing is lost by either."""
    found = {
        cron: len(slots_between(cron_job(cron, zone), OLDER_FROM, end=OLDER_TO, zone=zone))
        for cron in USUAL
    }
    assert found == USUAL | odd


@pytest.mark.parametrize(
    ("zone", "day", "cron", "walls"),
    [
        (SAO_PAULO, wall("2012-10-20T12:00"), "30 0 * * *", ["21 01:00:00-0200"]),
        (SAO_PAULO, wall("2012-02-25T12:00"), "30 23 * * *", ["25 23:30:00-0200"]),
        (APIA, wall("2011-12-29T12:00"), "0 7 * * *", ["31 00:00:00+1400", "31 07:00:00+1400"]),
        (LORD_HOWE, wall("2028-09-30T12:00"), "15 2 * * *", ["01 02:30:00+1100"]),
        (LORD_HOWE, wall("2028-09-30T23:00"), "*/30 0-1 * * *", ["01 00:00:00+1030"]),
        (
            LORD_HOWE,
            wall("2028-04-02T01:00"),
            "*/30 * * * *",
            ["02 01:30:00+1100", "02 01:30:00+1030", "02 02:00:00+1030"],
        ),
        (
            LORD_HOWE,
            wall("2028-04-02T01:40"),  # the first of two, and 01:30 is still to come again
            "30 * * * *",
            ["02 01:30:00+1030", "02 02:30:00+1030"],
        ),
        (BERLIN, wall("2028-03-26T01:00"), "10,50 30 2 * * *", ["26 03:00:00+0200"]),
        (BERLIN, wall("2028-10-29T01:00"), "10,50 30 2 * * *", ["29 02:30:10+0200"]),
    ],
)
def test_where_a_time_is_missing_it_runs_right_after(
    zone: str, day: datetime, cron: str, walls: list[str]
) -> None:
    """The first of the two where it comes twice; with seconds just as without."""
    after = day.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    found = next_slots(cron_job(cron, zone), after=after, count=len(walls))
    assert [f"{slot.astimezone(ZoneInfo(zone)):%d %H:%M:%S%z}" for slot in found] == walls


JOBS = st.builds(
    lambda cron, zone, every, jitter, name: job(
        name=name,
        cron=cron,
        zone=zone,
        every_seconds=None if cron else every,
        jitter_seconds=jitter,
    ),
    cron=st.sampled_from(["", *USUAL, "*/30 * * * *", "*/7 1-3 * * *", "*/40 */17 * * * *"]),
    zone=st.sampled_from(ZONES),
    every=st.floats(1, 90_000),
    jitter=st.sampled_from([0.0, 0.5, 1.0, 120.0, 5_000.0]),
    name=st.sampled_from(["inbox", "brief", "spend"]),
)
# Nights on which one of the zones changes its clocks, and any other moment.
MOMENTS = st.sampled_from(
    [
        datetime(2028, 3, 12, 9, tzinfo=UTC),
        datetime(2028, 3, 26, 0, tzinfo=UTC),
        datetime(2028, 10, 29, 0, tzinfo=UTC),
        datetime(2028, 4, 1, 14, tzinfo=UTC),
        datetime(2028, 9, 30, 14, tzinfo=UTC),
        datetime(2011, 12, 30, 9, tzinfo=UTC),
        datetime(2028, 2, 29, 6, tzinfo=UTC),
    ]
)


@settings(max_examples=1_500 if os.environ.get("SOAK") else 50, deadline=None)
@given(JOBS, MOMENTS, st.lists(st.integers(1, 40_000_000), min_size=1, max_size=4))
def test_slots_are_the_same_however_time_is_cut(one: Job, start: datetime, cuts: list[int]) -> None:
    """Looking often finds what looking once finds: no slot twice, none lost, in order."""
    parts, after = [], start
    for cut_ms in cuts:
        until = after + timedelta(milliseconds=cut_ms)
        parts += due_slots(one, after=after, now=until, limit=10**6)
        after = until
    whole = due_slots(one, after=start, now=after, limit=10**6)
    assert parts == whole
    assert whole == sorted(set(whole))


@settings(max_examples=1_000 if os.environ.get("SOAK") else 50, deadline=None)
@given(JOBS, MOMENTS)
def test_jitter_moves_no_slot_as_far_as_the_next(one: Job, start: datetime) -> None:
    """Each slot keeps its own stretch of time, and is moved by less than the jitter."""
    plain = job(name=one.name, cron=one.cron, zone=one.zone, every_seconds=one.every_seconds)
    after = next_slots(plain, after=start)[0] - timedelta(milliseconds=1)
    slots = next_slots(plain, after=after, count=6)
    moved = [slot for slot, _ in zip(slots_after(one, after), range(5), strict=False)]
    for slot, place, following in zip(slots, moved, slots[1:], strict=False):
        assert slot <= place < following
        assert (place - slot).total_seconds() < max(one.jitter_seconds, 1.0)


def test_jobs_with_one_slot_are_spread_and_stay_where_they_are() -> None:
    """45 jobs at seven o'clock do not start in one second, and every machine agrees where."""
    jobs = [
        job(name=f"job{number}", cron="0 7 * * *", every_seconds=None, jitter_seconds=120.0)
        for number in range(45)
    ]
    start = datetime(2028, 2, 29, 6, tzinfo=UTC)
    seconds = [
        (next_slots(one, after=start)[0] - datetime(2028, 2, 29, 7, tzinfo=UTC)).total_seconds()
        for one in jobs
    ]
    assert all(0 <= offset < 120 for offset in seconds)
    assert len(set(seconds)) > 25
    assert seconds[:3] == [5.0, 57.0, 101.0]  # as on any other machine, in any other year's code


def test_a_job_at_an_instant_has_one_slot() -> None:
    """It is due once, found however late, and never again."""
    when = datetime(2028, 12, 24, 17, tzinfo=UTC)
    once = job(every_seconds=None, at=when)
    assert next_slots(once, after=when - timedelta(days=900), count=5) == [when]
    assert next_slots(once, after=when) == []
    assert due_slots(once, after=when - timedelta(days=1), now=when - timedelta(seconds=1)) == []
    assert due_slots(once, after=when - timedelta(days=1), now=when + timedelta(days=500)) == [when]


def test_a_job_after_another_one_has_no_slots_of_its_own() -> None:
    """It waits for what happens, not for the clock."""
    start = datetime(2028, 2, 29, tzinfo=UTC)
    assert next_slots(job(every_seconds=None, after="brief"), after=start) == []
    assert (
        due_slots(job(every_seconds=None, webhook=True), after=start, now=start + timedelta(days=9))
        == []
    )


def test_hours_away_of_a_job_each_second_are_found_fast() -> None:
    """Eight hours of seconds are not walked through for the newest hundred."""
    now = datetime(2028, 3, 2, 12, 0, tzinfo=UTC)
    each = cron_job("* * * * * *", BERLIN)
    slots = due_slots(each, after=now - timedelta(hours=8), now=now)
    assert slots == [now - timedelta(seconds=99 - number) for number in range(100)]


def test_what_lies_between_two_runs_is_known_where_the_clock_starts_them() -> None:
    """The jitter does not change it; who runs once, after another, or looks first has no period."""
    start = datetime(2028, 2, 29, tzinfo=UTC)
    assert period_seconds(job(every_seconds=600.0, jitter_seconds=300.0), at=start) == 600.0
    assert period_seconds(job(every_seconds=None, after="brief"), at=start) is None
    assert period_seconds(job(every_seconds=None, at=start), at=start) is None
    assert period_seconds(job(watch={"kind": "files"}), at=start) is None


def test_an_instant_without_a_zone_is_a_time_of_the_place() -> None:
    """In a gap it is right after it, as for everything else; a zone of its own counts."""
    assert at_of(wall("2028-12-24T18:00"), BERLIN) == datetime(2028, 12, 24, 17, tzinfo=UTC)
    assert at_of(wall("2028-03-26T02:30"), BERLIN) == datetime(2028, 3, 26, 1, tzinfo=UTC)
    aware = datetime(2028, 12, 24, 18, tzinfo=ZoneInfo(KOLKATA))
    assert at_of(aware, BERLIN) == datetime(2028, 12, 24, 12, 30, tzinfo=UTC)
